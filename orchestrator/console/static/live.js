// Keeps a live page up to date: each event has the sections that have changed, as HTML that the server has escaped.
"use strict";
(() => {
  const main = document.querySelector("main[data-events]");
  const connection = document.getElementById("connection");
  let source = null;
  let ended = false;

  const say = (words) => {
    if (connection.textContent !== words) connection.textContent = words;
  };

  const replace = (id, html) => {
    const focused = document.activeElement;
    const section = document.getElementById(id);
    // A link that has the keyboard keeps it, although its section is written again.
    const kept = section.contains(focused) ? focused.getAttribute("href") : null;
    section.innerHTML = html;
    if (kept !== null) {
      const again = [...section.querySelectorAll("a")].find((one) => one.getAttribute("href") === kept);
      (again || main).focus({ preventScroll: true });
    }
  };

  const show = (change) => {
    change.order.forEach(([id, digest], place) => {
      let section = document.getElementById(id);
      if (section === null) {
        section = document.createElement("div");
        section.id = id;
        section.className = "section";
      }
      if (main.children[place] !== section) main.insertBefore(section, main.children[place] || null);
      // The page had this section already when it was loaded.
      if (section.dataset.digest === digest) return;
      if (id in change.sections) replace(id, change.sections[id]);
      section.dataset.digest = digest;
    });
    while (main.children.length > change.order.length) main.lastElementChild.remove();
    main.dataset.at = change.at;
    say(change.says);
  };

  const open = () => {
    if (source !== null || ended) return;
    source = new EventSource(main.dataset.events);
    source.addEventListener("change", (event) => show(JSON.parse(event.data)));
    source.addEventListener("end", () => {
      ended = true;
      close();
      say("It has ended: this page does not change any more.");
    });
    source.addEventListener("failed", () => {
      ended = true;
      close();
      say("The console failed: what you see is old. Load this page again.");
    });
    source.onerror = (event) => {
      // The console answered, and not with a stream: it does not know this browser any more.
      const refused = event.target.readyState === EventSource.CLOSED;
      say(refused ? "The console refuses this page: load it again." : "The console does not answer. Trying again.");
    };
  };

  const close = () => {
    if (source !== null) source.close();
    source = null;
  };

  // A browser opens few connections to one server, so a page that is not seen has none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  if (!document.hidden) open();
})();
