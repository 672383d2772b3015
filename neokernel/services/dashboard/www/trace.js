// A trace: the kernel's records for a moment, as a file for Perfetto (https://ui.perfetto.dev) or chrome://tracing, in
// Google's "Trace Event Format". neokernel/image/perfetto.py makes the same of them on the host, and says why so.

import { $ } from "./main.js";

const RECORD = 32;
//: of `Event` in abi/trace.py, and `Call` in abi/call.py
const [SYSCALL, SEND, REPLY, SWITCH, INTERRUPT, FAULT, DERIVE, DELETE, SIGNAL, READY] = Array(10).keys();
const HARTS = 1, THREADS = 2;

export function tracing(names) {
  const button = $("trace");
  button.onclick = async () => {
    button.disabled = true;
    $("traced").textContent = "records …";
    try {
      const answer = await fetch(`api/trace?milliseconds=${$("length").value}`);
      if (!answer.ok) throw new Error((await answer.json()).error);
      const ring = read(await answer.arrayBuffer());
      if (ring.records.length === 0) throw new Error("nothing was recorded");
      save(new Blob([JSON.stringify(trace(ring, names()))], { type: "application/json" }));
      const lost = ring.lost === 0 ? "" : `, ${ring.lost.toLocaleString("en")} earlier ones were overwritten`;
      $("traced").textContent = `${ring.records.length.toLocaleString("en")} events${lost}`;
    } catch (error) {
      $("traced").textContent = error.message;
    }
    button.disabled = false;
  };
}

function save(blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "neokernel.trace.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function read(buffer) {
  const view = new DataView(buffer);
  const number = (place) => Number(view.getBigUint64(place, true));
  const ring = { frequency: number(0), lost: number(16), records: [] };
  const count = number(24);
  if (buffer.byteLength !== (count + 1) * RECORD) throw new Error("the trace is cut off");
  for (let place = RECORD; place < buffer.byteLength; place += RECORD) {
    ring.records.push({
      time: number(place), thread: view.getUint32(place + 8, true), kind: view.getUint8(place + 12),
      hart: view.getUint8(place + 13), a: number(place + 16), low: view.getUint32(place + 16, true), b: number(place + 24),
    });
  }
  return ring;
}

export function trace(ring, names) {
  const events = [], running = new Map(), open = new Map(), arrows = new Map();
  const title = (thread) => names.get(thread) ?? (thread === 0 ? "idle" : `thread ${thread}`);
  let now = 0, arrow = 0;

  const write = (ph, pid, tid, more) => events.push({ ph, ts: now, pid, tid, ...more });
  const instant = (pid, tid, name, args) => write("i", pid, tid, { name, args, s: "t" });

  function goOn(hart, thread) {
    const before = running.get(hart);
    if (before === thread) return;
    running.set(hart, thread);
    if (before) {
      write("E", HARTS, hart);
      write("E", THREADS, before);
    }
    if (!thread) return;
    write("B", HARTS, hart, { name: title(thread) });
    write("B", THREADS, thread, { name: "running" });
    open.set(thread, true);
    // Arrows end where the receiver goes on.
    for (const [id, name] of arrows.get(thread) ?? []) write("f", THREADS, thread, { name, id, cat: "ipc", bp: "e" });
    arrows.delete(thread);
  }

  function message(record, name) {
    open.set(record.thread, true);
    instant(THREADS, record.thread, name, { to: title(record.low), words: Math.floor(record.b / 2 ** 32) % 1024 });
    if (!record.thread || !record.low || running.get(record.hart) !== record.thread) return;
    arrow += 1;
    write("s", THREADS, record.thread, { name, id: arrow, cat: "ipc" });
    arrows.set(record.low, [...(arrows.get(record.low) ?? []), [arrow, name]]);
  }

  for (const record of ring.records) {
    now = record.time * 1e6 / ring.frequency;
    if (record.kind === SWITCH) {
      goOn(record.hart, record.thread);
      continue;
    }
    if (!running.has(record.hart) && record.thread) goOn(record.hart, record.thread);
    switch (record.kind) {
      case SYSCALL: if (record.thread) instant(THREADS, record.thread, `call ${record.a}`, { capability: record.b }); break;
      case SEND: message(record, "message"); break;
      case REPLY: message(record, "reply"); break;
      case INTERRUPT: instant(HARTS, record.hart, `interrupt ${record.a}`, { line: record.a }); break;
      case FAULT: instant(THREADS, record.thread, "fault", { kind: record.a, at: `0x${record.b.toString(16)}` }); break;
      case DERIVE: instant(THREADS, record.thread, "derive", { kind: record.a }); break;
      case DELETE: instant(THREADS, record.thread, "delete", { kind: record.a }); break;
      case SIGNAL: instant(record.thread ? THREADS : HARTS, record.thread || record.hart, "signal", {}); break;
      case READY: instant(THREADS, record.low, "ready", { priority: record.b }); open.set(record.low, true); break;
    }
  }
  for (const hart of [...running.keys()]) goOn(hart, 0);
  const dangling = new Set([...arrows.values()].flat().map(([id]) => id));
  const titled = (name, pid, tid, said) => ({ ph: "M", name, pid, tid, args: { name: said } });
  return {
    displayTimeUnit: "ns",
    otherData: { lost: ring.lost, "ticks per second": ring.frequency },
    traceEvents: [
      titled("process_name", HARTS, 0, "harts"), titled("process_name", THREADS, 0, "threads"),
      ...[...running.keys()].map((hart) => titled("thread_name", HARTS, hart, `hart ${hart}`)),
      ...[...open.keys()].map((thread) => titled("thread_name", THREADS, thread, title(thread))),
      ...events.filter((event) => !dangling.has(event.id)),
    ],
  };
}
