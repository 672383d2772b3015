// Orders: what only an operator may have done. This page can make none: it shows what is to be signed, and passes on
// what the operator's own tool has made of it.

import { $ } from "./main.js";

const TITLES = { kill: "Kill", start: "Start", swap: "Swap", stop: "Stop" };
const TRIES = 20;
const SAID = {
  kill: "end it, as if it had crashed", start: "start it", swap: "replace it by a fresh process, with its state",
};

export function ordering() {
  const dialog = $("order");
  let order = "";
  let challenge = null;

  async function ask(verb, service) {
    order = `${verb} ${service}`;
    challenge = null;
    $("order-title").textContent = `${TITLES[verb]} ${service}: ${SAID[verb]}`;
    $("order-command").textContent = "…";
    $("order-approval").value = "";
    $("order-error").textContent = "";
    dialog.showModal();
    try {
      const answer = await fetch("api/challenge");
      challenge = await answer.json();
      if (!answer.ok) throw new Error(challenge.error);
      $("order-command").textContent = `nk approve ${order} --nonce ${challenge.nonce}`;
      $("order-approval").focus();
    } catch (error) {
      challenge = null;
      $("order-command").textContent = "–";
      $("order-error").textContent = error.message;
    }
  }

  async function send() {
    const approval = $("order-approval").value.replace(/\s/g, "");
    if (challenge === null) return;
    if (!/^[0-9a-f]{192}$/i.test(approval)) {
      $("order-error").textContent = "An approval has 192 digits, 0 to 9 and a to f.";
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
        body: JSON.stringify({ order, nonce: challenge.nonce, approval }),
      });
      if (answer.status !== 429 || tries === TRIES) return answer;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  $("order-send").onclick = send;
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
