
"use strict";
const transaction = document.currentScript.dataset.transaction;
const progress = document.getElementById("progress");
async function poll() {
  let answer = { phase: "waiting", retry_after_seconds: 2 };
  try {
    const response = await fetch("login/poll?transaction=" + encodeURIComponent(transaction));
    if (response.status === 404) {
      progress.textContent = "This login has ended. Go back to the application and start again.";
      return;
    }
    if (response.ok) {
      answer = await response.json();
    } else {
      answer.retry_after_seconds = Number(response.headers.get("Retry-After")) || answer.retry_after_seconds;
    }
  } catch { /* ignore a network failure: the next poll retries */ }
  if (answer.phase === "complete") {
    if (!answer.redirect) {
      progress.textContent = "This login has ended. If the application does not continue, go back to it and start again.";
      return;
    }
    progress.textContent = "You are logged in.";
    const back = document.getElementById("return");
    back.firstElementChild.href = answer.redirect;
    back.hidden = false;
    location.assign(answer.redirect);
    return;
  }
  setTimeout(poll, answer.retry_after_seconds * 1000);
}
poll();
