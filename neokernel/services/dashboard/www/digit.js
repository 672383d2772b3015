// A digit that is drawn, as the data set's digits were prepared (E. Alpaydin, C. Kaynak: Optical Recognition of
// Handwritten Digits, UCI): a bitmap of 32 × 32 that the digit fills, of which each block of 4 × 4 is counted. So a
// model sees 8 × 8 numbers of 0 to 16.
//
// What is drawn is kept as lines, not as a picture: so it is the same on any screen, however small it was drawn.

import { $, make } from "./main.js";

const SIDE = 32, BLOCK = 4, BLOCKS = SIDE / BLOCK;
// The digits of the data set fill the height, and of the width six of eight columns; with such a pen they have as much
// ink: 313 of 1024 points.
const WIDTH = 26, PEN = 2.6;
const AFTER = 350; // milliseconds without a line, after which a digit is sent

/** The lines' points, moved and scaled so that with the pen's width they fill the bitmap, in the middle of it. */
export function fitted(lines) {
  const points = lines.flat();
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys);
  const scale = Math.min((SIDE - 2 * PEN) / Math.max(bottom - top, 1), (WIDTH - 2 * PEN) / Math.max(right - left, 1));
  const place = (value, low, high) => (value - (low + high) / 2) * scale + SIDE / 2;
  return lines.map((line) => line.map(([x, y]) => [place(x, left, right), place(y, top, bottom)]));
}

/** Which points of the bitmap the pen has touched. */
export function bitmap(lines) {
  const bits = new Uint8Array(SIDE * SIDE);
  for (const line of lines) {
    for (let index = 0; index < line.length; index += 1) {
      const [ax, ay] = line[Math.max(index - 1, 0)], [bx, by] = line[index];
      const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy || 1;
      for (let y = 0; y < SIDE; y += 1) {
        for (let x = 0; x < SIDE; x += 1) {
          const px = x + 0.5 - ax, py = y + 0.5 - ay;
          const along = Math.min(1, Math.max(0, (px * dx + py * dy) / length));
          if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= PEN * PEN) bits[y * SIDE + x] = 1;
        }
      }
    }
  }
  return bits;
}

export function counts(bits) {
  const found = new Array(BLOCKS * BLOCKS).fill(0);
  bits.forEach((bit, place) => {
    found[Math.floor(place / SIDE / BLOCK) * BLOCKS + Math.floor(place % SIDE / BLOCK)] += bit;
  });
  return found;
}

export function drawing(models) {
  const canvas = $("canvas"), pen = canvas.getContext("2d"), seen = $("seen").getContext("2d");
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = make("i");
    const share = make("span", { className: "n" });
    $("scores").append(make("b", { textContent: digit }), make("div", { className: "bar" }, bar), share);
    return { bar, share };
  });
  let lines = [], current = null, timer = 0, number = 0;

  $("digit").hidden = false;
  $("model").append(...models.map((model) => make("option", { value: model, textContent: model })));

  function clear() {
    lines = [];
    number += 1;
    clearTimeout(timer);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    seen.clearRect(0, 0, BLOCKS, BLOCKS);
    forget();
  }

  /** What was said of another drawing, or by another model. */
  function forget() {
    $("answer").textContent = "?";
    for (const { bar, share } of rows) {
      bar.style.width = "0";
      share.textContent = "";
    }
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  };

  function line(from, to) {
    pen.strokeStyle = "#1a2130";
    pen.lineWidth = 18;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  }

  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    clearTimeout(timer);
    current = [place(event)];
    lines.push(current);
    line(current[0], current[0]);
  };
  canvas.onpointermove = (event) => {
    if (current === null) return;
    // What came between two frames, too.
    const moved = event.getCoalescedEvents?.() ?? [];
    for (const each of moved.length === 0 ? [event] : moved) {
      const to = place(each);
      line(current.at(-1), to);
      current.push(to);
    }
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    current = null;
    clearTimeout(timer);
    timer = setTimeout(classify, AFTER);
  };
  canvas.onkeydown = (event) => {
    if (event.key === "Escape" || event.key === "Delete") clear();
  };

  async function classify() {
    if (lines.length === 0) return;
    const data = counts(bitmap(fitted(lines)));
    const picture = seen.createImageData(BLOCKS, BLOCKS);
    data.forEach((count, index) => picture.data.set([26, 33, 48, count * 255 / 16], 4 * index));
    seen.putImageData(picture, 0, 0);
    const mine = number += 1;
    $("answered").textContent = "asks the gateway …";
    const begun = performance.now();
    try {
      const answer = await fetch(`api/infer/${encodeURIComponent($("model").value)}`, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ inputs: [{ name: "image", shape: [1, 1, 8, 8], datatype: "FP32", data }] }),
      });
      const said = await answer.json();
      if (mine !== number) return;
      if (!answer.ok) throw new Error(said.error);
      if (said.outputs[0].data.length !== rows.length) throw new Error(`${said.model_name} isn't a model of digits: it gives `
        + `${said.outputs[0].data.length} numbers, and not one for each of ten`);
      show(said.outputs[0].data, said, performance.now() - begun);
    } catch (error) {
      if (mine === number) {
        forget();
        $("answered").textContent = `no answer: ${error.message}`;
      }
    }
  }

  function show(scores, said, took) {
    const highest = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - highest));
    const sum = powers.reduce((all, each) => all + each, 0);
    // Some models' scores are shares already, and say so by their sum.
    const shares = Math.abs(scores.reduce((all, each) => all + each, 0) - 1) < 1e-3 ? scores : powers.map((each) => each / sum);
    rows.forEach(({ bar, share }, digit) => {
      bar.style.width = `${100 * shares[digit]}%`;
      share.textContent = `${(100 * shares[digit]).toFixed(0)} %`;
    });
    $("answer").textContent = scores.indexOf(highest);
    $("answered").textContent = `${said.model_name}, version ${said.model_version}, answered in ${took.toFixed(0)} ms.`;
  }

  $("clear").onclick = () => {
    clear();
    $("answered").textContent = "Any of 0 to 9. The gateway's model process sees 8 × 8 numbers of it.";
  };
  $("model").onchange = classify;
}
