// What a page of a browser finds of the site: parts at the same time, an echo, the style, the picture.

function noise(size) {
  const found = new Uint8Array(size);
  for (let place = 0, state = 1n; place < size; place += 1) {
    state = (state * 1103515245n + 12345n) % (1n << 31n);
    found[place] = Number((state >> 16n) & 255n);
  }
  return found;
}

const same = (one, other) => one.length === other.length && one.every((byte, place) => byte === other[place]);
const bytes = async (answer) => new Uint8Array(await (await answer).arrayBuffer());

async function look() {
  const all = noise(1 << 16);
  const firsts = Array.from({ length: 24 }, (_, number) => number * 2477);
  const parts = await Promise.all(firsts.map((first) => bytes(fetch(`/part?from=${first}&size=3000`))));
  const right = parts.filter((part, number) => same(part, all.slice(firsts[number], firsts[number] + 3000))).length;
  const echoed = same(await bytes(fetch("/echo", { method: "POST", body: all })), all);
  const style = getComputedStyle(document.getElementById("said")).color;
  const picture = document.getElementById("picture");
  await picture.decode();
  return `${right} parts, echo ${echoed}, ${style}, ${picture.naturalWidth}x${picture.naturalHeight}`;
}

look()
  .catch((error) => `failed: ${error}`)
  .then((found) => { document.title = document.getElementById("said").textContent = found; });
