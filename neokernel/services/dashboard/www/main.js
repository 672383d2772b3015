// The page: asks the machine once a second how it does, and shows that.
//
// Whatever the machine says of its services, names and lines of the log, is put into the page as text, never as HTML.

import { drawing } from "./digit.js";
import { Graph } from "./graph.js";
import { ordering } from "./order.js";
import { tracing } from "./trace.js";

export const $ = (id) => document.getElementById(id);

/** An element with these properties and children; texts become text. */
export function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const SECOND = 1000;
const LINES = 400;
const LEVELS = ["debug", "info", "warning", "error"];
//: of `Cause` in services/init/post_mortem.py, and of `Fault` in abi/fault.py, which counts from 1
const CAUSES = ["it ended with status", "it failed", "it was silent for too long", "it couldn't be made",
  "it talked nonsense", "it wasn't ready in time"];
const FAULTS = ["", "page fault", "illegal instruction", "misaligned access", "a check failed", "its time was over",
  "a system call that isn't", "bus error"];

const page = {
  system: null, // what `api/system` says
  before: null, // the last two states
  now: null,
  log: 0, // where the log goes on
  picked: null, // the index of the service that was clicked on
};

// --- asking ----------------------------------------------------------------------------------------------------------

async function told(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(8 * SECOND) });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `status ${answer.status}`);
  return answer.json();
}

async function ask() {
  try {
    page.system ??= await told("api/system");
    const state = await told(`api/state?log=${page.log}`);
    if (page.now !== null && state.time < page.now.time) {
      // The machine has been started anew: nothing of before holds.
      location.reload();
      return;
    }
    page.before = page.now;
    page.now = state;
    show();
    report("live", "live");
    // There is more of the log than one answer has.
    setTimeout(ask, state.log.length >= 64 ? 50 : SECOND);
  } catch (error) {
    report("lost", `no answer: ${error.name === "TimeoutError" ? "it takes too long" : error.message}`);
    setTimeout(ask, SECOND);
  }
}

function report(kind, said) {
  $("status").className = kind;
  $("status").textContent = said;
}

// --- showing ---------------------------------------------------------------------------------------------------------

export const seconds = (ticks) => ticks / page.now.frequency;

export function duration(value) {
  if (value < 60) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(value % 60)} s`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} d ${Math.floor(minutes / 60) % 24} h`;
}

const amount = (bytes) => bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

function latency(value) {
  if (!Number.isFinite(value)) return "–";
  return value < 1e-3 ? `${(value * 1e6).toFixed(0)} µs` : value < 1 ? `${(value * 1e3).toFixed(1)} ms` : `${value.toFixed(1)} s`;
}

/** Of each service what it used of the time between two states; since its start, if it was started meanwhile. */
function shares() {
  const { before, now } = page;
  const span = before === null ? now.time : now.time - before.time;
  return now.services.map((service, index) => {
    const old = before?.services[index];
    const used = old !== undefined && old.starts === service.starts ? service.used - old.used : service.used;
    return Math.max(0, Math.min(1, used / Math.max(span, 1)));
  });
}

/** Rates by pairs, of what was counted since the page was opened, the latest counting for more. */
const rates = new Map();

function count() {
  const { before, now } = page;
  if (before === null || now.sampled <= before.sampled) return;
  const span = (now.sampled - before.sampled) / now.frequency;
  const known = new Map(before.traffic.map((row) => [`${row[0]} ${row[1]}`, row]));
  for (const [from, to, messages, answers, ticks, longest] of now.traffic) {
    const old = known.get(`${from} ${to}`) ?? [from, to, 0, 0, 0, 0];
    const rate = rates.get(`${from} ${to}`) ?? { from, to, rate: 0, latency: NaN, longest: 0 };
    const fresh = (messages - old[2]) / span;
    rate.rate = rate.rate === 0 ? fresh : 0.6 * rate.rate + 0.4 * fresh;
    if (answers > old[3]) rate.latency = (ticks - old[4]) / (answers - old[3]) / now.frequency;
    rate.longest = longest / now.frequency;
    rates.set(`${from} ${to}`, rate);
  }
}

const name = (index) => page.system.services[index]?.name ?? `service ${index}`;

function show() {
  const { now } = page;
  const used = shares();
  count();
  $("uptime").textContent = duration(seconds(now.time));
  $("cpu").textContent = percent(Math.min(1, used.reduce((sum, each) => sum + each, 0)));
  $("memory").textContent = now.memory === undefined ? "–" : amount(now.memory);
  const sum = [...rates.values()].reduce((all, each) => all + each.rate, 0);
  $("messages").textContent = now.sampled === 0 ? "–" : Math.round(sum).toLocaleString("en");
  $("restarts").textContent = now.services.reduce((all, each) => all + Math.max(0, each.starts - 1), 0);
  services(used);
  graph.show(now.services, used, rates, page.picked);
  calls();
  ends();
  log();
}

/** Nothing of it runs, and nobody starts it again by themselves. */
const isDown = (service) => service.phase === "down" || service.phase === "given up";

function services(used) {
  const body = $("services").tBodies[0];
  if (body.rows.length === 0) {
    for (const [index, service] of page.system.services.entries()) {
      const kill = make("button", { type: "button" });
      const swap = make("button", { type: "button", textContent: "Swap", ariaLabel: `Swap ${service.name}` });
      kill.onclick = () => order.ask(isDown(page.now.services[index]) ? "start" : "kill", service.name);
      swap.onclick = () => order.ask("swap", service.name);
      const bar = make("div", { className: "bar" }, make("i"));
      const row = make("tr", {}, make("td", { textContent: service.name }), make("td"), make("td", { className: "n" }),
        make("td", { className: "n" }), make("td", {}, bar), make("td", { className: "n" }),
        make("td", { className: "acts" }, kill, " ", swap));
      row.dataset.service = service.name;
      row.onclick = (event) => event.target.tagName !== "BUTTON" && pick(index);
      body.append(row);
    }
  }
  for (const [index, service] of page.now.services.entries()) {
    const row = body.rows[index];
    const cells = row.cells;
    cells[1].textContent = service.denied === 0 ? service.phase : `${service.phase}, denied ${service.denied.toLocaleString("en")}`;
    cells[1].title = service.denied === 0 ? "" : "what the kernel has denied it: the log says what";
    cells[1].className = service.denied === 0 ? service.phase.split(" ")[0] : `${service.phase.split(" ")[0]} denied`;
    cells[2].textContent = service.starts;
    cells[3].textContent = service.phase === "runs" ? percent(used[index]) : "–";
    cells[4].firstChild.firstChild.style.width = `${100 * used[index]}%`;
    cells[5].textContent = service.phase === "runs" ? amount(service.free) : "–";
    const [kill, swap] = cells[6].children;
    kill.textContent = isDown(service) ? "Start" : "Kill";
    kill.ariaLabel = `${kill.textContent} ${name(index)}`;
    swap.disabled = isDown(service);
    row.classList.toggle("picked", index === page.picked);
  }
}

function calls() {
  const found = [...rates.values()].filter((each) => each.rate >= 0.5)
    .filter((each) => page.picked === null || each.from === page.picked || each.to === page.picked)
    .sort((one, other) => other.rate - one.rate).slice(0, page.picked === null ? 8 : 30);
  $("calls").hidden = found.length === 0;
  $("calls").tBodies[0].replaceChildren(...found.map((each) => make("tr", {},
    make("td", { textContent: name(each.from) }), make("td", { textContent: name(each.to) }),
    make("td", { className: "n", textContent: Math.round(each.rate).toLocaleString("en") }),
    make("td", { className: "n", textContent: latency(each.latency) }),
    make("td", { className: "n", textContent: latency(each.longest) }))));
}

function ends() {
  const { now } = page;
  $("no-ends").hidden = now.ends.length !== 0;
  $("ends").replaceChildren(...now.ends.map((end) => {
    const called = name(end.service);
    const fault = end.cause === 1 ? `: ${FAULTS[end.fault] ?? `fault ${end.fault}`}` : "";
    const status = end.cause === 0 ? ` ${end.status}` : "";
    const where = end.cause === 0 || end.cause === 3 ? "" : `, at ${end.counter}`;
    const address = end.fault === 1 ? `, address ${end.address}` : "";
    return make("li", {},
      make("time", { textContent: `${duration(seconds(end.time))} ` }), make("b", { textContent: called }),
      ` ${CAUSES[end.cause] ?? "ended"}${status}${fault}${where}${address}. It was start ${end.starts}. `,
      make("br"), make("span", { className: "note", textContent: "Its traceback: " }),
      make("code", { textContent: `nk svc show ${called}` }));
  }));
}

function log() {
  const box = $("log");
  for (const line of page.now.log) {
    const level = LEVELS[line.level] ?? "error";
    const shown = make("p", { className: `l${line.level}` },
      make("time", { textContent: seconds(line.time).toFixed(3) }), " ",
      make("b", { textContent: line.source === 0 ? "somebody" : name(line.source - 1) }), " ",
      level === "info" ? "" : `${level}: `, line.text);
    shown.hidden = line.level < Number($("level").value);
    shown.dataset.level = line.level;
    box.append(shown);
  }
  page.log = page.now.next;
  while (box.childElementCount > LINES) box.firstChild.remove();
  if (page.now.log.length !== 0 && $("follow").checked) box.scrollTop = box.scrollHeight;
}

function pick(index) {
  page.picked = page.picked === index ? null : index;
  show();
}

// --- beginning -------------------------------------------------------------------------------------------------------

$("host").textContent = location.host;
document.title = `Neokernel, ${location.host}`;
const order = ordering();
const graph = new Graph($("graph"), () => page.system.services, pick);
$("level").onchange = () => {
  for (const line of $("log").children) line.hidden = Number(line.dataset.level) < Number($("level").value);
};
tracing(() => new Map(page.now.services.map((service, index) => [service.thread, name(index)])));
ask().then(() => {
  if (page.system !== null && page.system.models.length !== 0) drawing(page.system.models);
});
