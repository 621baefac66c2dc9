
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
  } catch { /* the network comes and goes; the next poll tells */ }
  if (answer.phase === "complete") {
    progress.textContent = "You are logged in. You can close this window.";
    if (answer.redirect) { location.assign(answer.redirect); }
    return;
  }
  setTimeout(poll, answer.retry_after_seconds * 1000);
}
poll();
