// Who calls whom, as a picture: services in layers, so that whoever is called stands to the right of who calls.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 132, HEIGHT = 40, ACROSS = 196, DOWN = 58, MARGIN = 8, ASIDE = 6;

function draw(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Pairs [who calls, who is called], each once. */
function callsOf(services) {
  const found = new Map();
  services.forEach((service, from) => {
    for (const grant of service.grants) {
      if (grant.kind === "uses" && grant.target < services.length) found.set(`${from} ${grant.target}`, [from, grant.target]);
    }
  });
  return [...found.values()];
}

/** Of each service [layer, row]: layers by the longest way to it, rows so that few lines cross. */
export function layout(count, calls) {
  const layer = new Array(count).fill(0);
  // There are no calls in a circle: the build refuses them. The bound is for systems that are wrong all the same.
  for (let round = 0, moved = true; moved && round < count; round += 1) {
    moved = false;
    for (const [from, to] of calls) {
      if (layer[to] <= layer[from] && from !== to) {
        layer[to] = layer[from] + 1;
        moved = true;
      }
    }
  }
  // Who only calls stands directly before the first that it calls.
  const called = new Set(calls.map(([, to]) => to));
  for (let index = 0; index < count; index += 1) {
    const targets = calls.filter(([from]) => from === index).map(([, to]) => layer[to]);
    if (!called.has(index) && targets.length !== 0) layer[index] = Math.min(...targets) - 1;
  }
  const alone = (index) => !calls.some((call) => call.includes(index));
  const layers = [];
  for (let index = 0; index < count; index += 1) (layers[alone(index) ? 0 : layer[index]] ??= []).push(index);
  const rows = layers.filter((each) => each !== undefined);
  const place = new Map();
  const number = () => rows.forEach((row) => row.forEach((index, at) => place.set(index, at - (row.length - 1) / 2)));
  number();
  for (let round = 0; round < 12; round += 1) {
    for (const row of rows) {
      const middle = new Map(row.map((index) => {
        const others = calls.filter((call) => call.includes(index)).map(([from, to]) => place.get(from === index ? to : from));
        return [index, others.length === 0 ? place.get(index) : others.reduce((sum, each) => sum + each, 0) / others.length];
      }));
      row.sort((one, other) => middle.get(one) - middle.get(other));
      number();
    }
  }
  const found = new Array(count);
  rows.forEach((row, at) => row.forEach((index) => { found[index] = [at, place.get(index)]; }));
  return found;
}

/** The path of a line from one point to another, past the columns between them: `lane(column, y)` is the gap nearest to y. */
function path(from, to, first, end, x, lane) {
  const points = [from];
  for (let column = first; column < end; column += 1) {
    const [last] = points.slice(-1), left = x([column]) - ASIDE, right = x([column]) + WIDTH + ASIDE;
    const y = lane(column, last[1] + (to[1] - last[1]) * (left + WIDTH / 2 - last[0]) / (to[0] - last[0]));
    points.push([left, y], [right, y]);
  }
  points.push(to);
  let made = `M${from}`;
  for (let at = 0; at < points.length; at += 2) {
    const [a, b] = points.slice(at, at + 2), bend = Math.max(30, (b[0] - a[0]) / 2);
    made += `${at === 0 ? "" : `L${a}`}C${a[0] + bend} ${a[1]} ${b[0] - bend} ${b[1]} ${b}`;
  }
  return made;
}

export class Graph {
  /** `services` gives what `api/system` says of them; `pick` is told which one was clicked on. */
  constructor(svg, services, pick) {
    Object.assign(this, { svg, services, pick, nodes: null, edges: new Map() });
  }

  begin() {
    const services = this.services(), calls = callsOf(services), places = layout(services.length, calls);
    const columns = Math.max(...places.map(([column]) => column)) + 1;
    const half = Math.max(...places.map(([, row]) => Math.abs(row)));
    const width = (columns - 1) * ACROSS + WIDTH + 2 * MARGIN, height = 2 * half * DOWN + HEIGHT + 2 * MARGIN;
    const x = ([column]) => MARGIN + column * ACROSS, y = ([, row]) => MARGIN + (row + half) * DOWN;
    // The outermost gaps are above and below the columns.
    this.svg.setAttribute("viewBox", `0 ${-MARGIN} ${width} ${height + 2 * MARGIN}`);
    this.svg.style.maxWidth = `${width * 1.15}px`;
    this.svg.append(draw("defs", {}, draw("marker", {
      id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto",
    }, draw("path", { class: "head", d: "M0 0 8 4 0 8z" }))));
    const middle = (place) => y(place) + HEIGHT / 2;
    const lane = (column, wanted) => places.filter(([its]) => its === column)
      .flatMap((place) => [middle(place) - DOWN / 2, middle(place) + DOWN / 2])
      .reduce((best, each) => Math.abs(each - wanted) < Math.abs(best - wanted) ? each : best, Infinity);
    for (const [from, to] of calls) {
      const a = [x(places[from]) + WIDTH, middle(places[from])], b = [x(places[to]) - 1, middle(places[to])];
      const edge = draw("path", {
        class: "edge", "marker-end": "url(#head)", d: path(a, b, places[from][0] + 1, places[to][0], x, lane),
      });
      this.edges.set(`${from} ${to}`, { edge, from, to });
      this.svg.append(edge);
    }
    this.nodes = services.map((service, index) => {
      const load = draw("rect", { class: "load", width: 0, height: HEIGHT, rx: 8 });
      const told = draw("text", { class: "dim", x: 10, y: 33 });
      const called = draw("text", { x: 10, y: 18 });
      called.textContent = service.name;
      const node = draw("g", { class: "node", transform: `translate(${x(places[index])} ${y(places[index])})` },
        draw("rect", { width: WIDTH, height: HEIGHT, rx: 8 }), load, called, told);
      node.addEventListener("click", () => this.pick(index));
      this.svg.append(node);
      return { node, load, told };
    });
  }

  show(services, used, rates, picked) {
    if (this.nodes === null) this.begin();
    const near = new Set([picked]);
    for (const { edge, from, to } of this.edges.values()) {
      const rate = rates.get(`${from} ${to}`)?.rate ?? 0;
      const touched = picked === null || from === picked || to === picked;
      if (touched) near.add(from).add(to);
      edge.setAttribute("class", `edge${rate >= 0.5 ? " busy" : ""}${touched ? "" : " faded"}`);
      edge.setAttribute("stroke-width", (1 + Math.min(6, 1.2 * Math.log10(1 + rate))).toFixed(1));
    }
    this.nodes.forEach(({ node, load, told }, index) => {
      const service = services[index];
      const phase = service.phase.split(" ")[0];
      const faded = picked !== null && !near.has(index);
      node.setAttribute("class", `node ${phase === "given" ? "down" : phase}${index === picked ? " picked" : ""}${faded ? " faded" : ""}`);
      load.setAttribute("width", service.phase === "runs" ? WIDTH * used[index] : 0);
      const again = service.starts > 1 ? `, start ${service.starts}` : "";
      told.textContent = service.phase === "runs" ? `${(100 * used[index]).toFixed(1)} %${again}` : `${service.phase}${again}`;
    });
  }
}
