// Orders: what only an operator may have done. This page can make none: it shows what is to be signed, and passes on
// what the operator's own tool has made of it.

import { $, make } from "./main.js";

const TITLES = { kill: "Kill", stop: "Stop", start: "Start", swap: "Swap" };
const SAID = {
  kill: "end it, as if it had crashed", stop: "end it; it stays down", start: "start it",
  swap: "replace it, with its state",
};
const TRIES = 20;
const DIGITS = 192;

export function ordering() {
  const dialog = $("order");
  let service = "";
  let challenge = null;

  /** What is to be signed: one word after the other, with one space between. */
  const order = () => {
    const verb = $("order-verb").value, program = $("order-program").value.trim();
    return `${verb} ${service}${verb === "swap" && program !== "" ? ` ${program}` : ""}`;
  };

  function show() {
    $("order-by").hidden = $("order-verb").value !== "swap";
    $("order-command").textContent = challenge === null ? "…" : `nk approve ${order()} --nonce ${challenge.nonce}`;
  }

  /** `verb`: the one that was clicked on. What is down can only be started, what isn't only ended or replaced. */
  async function ask(verb, name) {
    service = name;
    const verbs = verb === "start" ? ["start"] : ["kill", "stop", "swap"];
    $("order-title").textContent = `${name}, at ${location.host}`;
    $("order-verb").replaceChildren(...verbs.map((each) =>
      make("option", { value: each, textContent: `${TITLES[each]}: ${SAID[each]}`, selected: each === verb })));
    $("order-program").value = "";
    dialog.showModal();
    await renew();
    if (challenge !== null) $("order-approval").focus();
  }

  /** Another nonce: the last one was used, or is too old. */
  async function renew() {
    challenge = null;
    $("order-approval").value = "";
    $("order-error").textContent = "";
    show();
    try {
      const answer = await fetch("api/challenge");
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error);
      challenge = said;
      show();
    } catch (error) {
      $("order-command").textContent = "–";
      $("order-error").textContent = error.message;
    }
  }

  async function send() {
    // All that was printed may be pasted: the approval is what it ends with.
    const approval = $("order-approval").value.replace(/\s/g, "").match(new RegExp(`[0-9a-f]{${DIGITS}}$`, "i"))?.[0];
    if (challenge === null) return;
    if (approval === undefined) {
      $("order-error").textContent = `An approval has ${DIGITS} digits, 0 to 9 and a to f: it is the last line that is printed.`;
      return;
    }
    $("order-send").disabled = true;
    try {
      const answer = await sent(approval);
      const said = await answer.json();
      if (!answer.ok) throw new Error(said.error);
      dialog.close();
    } catch (error) {
      $("order-error").textContent = error.message;
    }
    $("order-send").disabled = false;
  }

  /** After a wrong approval, whoever's that was, none is looked at for a moment: then it is sent again. */
  async function sent(approval) {
    for (let tries = 1; ; tries += 1) {
      const answer = await fetch("api/order", {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ order: order(), nonce: challenge.nonce, approval }),
      });
      if (answer.status !== 429 || tries === TRIES) return answer;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  $("order-verb").onchange = $("order-program").oninput = show;
  $("order-send").onclick = send;
  $("order-renew").onclick = renew;
  $("order-copy").onclick = async () => {
    const range = document.createRange();
    range.selectNodeContents($("order-command"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    // Browsers have no clipboard for pages on plain HTTP, but for what is selected.
    document.execCommand("copy");
  };
  return { ask };
}
