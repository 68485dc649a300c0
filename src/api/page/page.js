// The page as it changes: told by the stream of events, read anew from the same address. Without it the page is complete.
(() => {
  "use strict";
  if (!window.EventSource || !/^https?:$/.test(location.protocol)) return;
  const root = document.documentElement;
  const base = new URL(root.dataset.root || "./", location.href);
  const word = document.getElementById("word");
  const age = document.getElementById("age");
  let source = null, heard = Date.now(), wait = 1000, queued = 0, last = 0, reading = false, again = false, lost = 0;

  const say = (text) => { if (word.textContent !== text) word.textContent = text; };
  const length = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    return s < 60 ? s + "s" : s < 3600 ? Math.floor(s / 60) + "m" + (s % 60) + "s" : Math.floor(s / 3600) + "h" + Math.floor(s % 3600 / 60) + "m";
  };
  const alive = () => {
    heard = Date.now();
    lost = 0;
    root.classList.remove("stale");
    root.classList.add("live");
    say("live");
    age.textContent = "";
  };
  const away = () => {
    lost = lost || Date.now();
    root.classList.remove("live");
    root.classList.add("stale");
    say("no answer from Steadfast");
    age.textContent = "what you see is " + length(Date.now() - heard) + " old";
  };

  const swap = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    if (!next.getElementById("main")) return;
    const open = new Map([...document.querySelectorAll("details[data-k]")].map((d) => [d.dataset.k, d.open]));
    const focus = document.activeElement;
    const at = focus && focus.matches("a, summary") ? [focus.tagName, focus.getAttribute("href") || focus.parentNode.dataset.k] : null;
    for (const d of next.querySelectorAll("details[data-k]")) if (open.get(d.dataset.k)) d.open = true;
    document.getElementById("asof").replaceWith(next.getElementById("asof"));
    for (const id of ["main", "title"]) {
      const here = document.getElementById(id);
      const old = [...here.children], now = [...next.getElementById(id).children];
      now.forEach((part, n) => {
        if (!old[n]) here.append(part);
        else if (!old[n].isEqualNode(part)) old[n].replaceWith(part);
      });
      old.slice(now.length).forEach((part) => part.remove());
    }
    document.title = next.title;
    const icon = next.querySelector("link[rel=icon]");
    if (icon) document.querySelector("link[rel=icon]").href = icon.href;
    if (at && document.activeElement === document.body) {
      const same = [...document.getElementsByTagName(at[0])];
      const found = same.find((e) => (e.getAttribute("href") || e.parentNode.dataset.k) === at[1]);
      if (found) found.focus({ preventScroll: true });
    }
  };

  const read = async () => {
    if (reading) { again = true; return; }
    reading = true;
    try {
      const answer = await fetch(location.href.split("#")[0], { cache: "no-store", signal: AbortSignal.timeout(10000) });
      const text = await answer.text();
      if (answer.ok || answer.status === 404) { swap(text); alive(); } else away();
    } catch { away(); }
    reading = false;
    if (again) { again = false; soon(); }
  };
  // Soon, however much happens; and once more when it is over, because a page may be a second old when it is read.
  const soon = () => {
    queued = queued || setTimeout(() => { queued = 0; read(); }, 250);
    clearTimeout(last);
    last = setTimeout(read, 1500);
  };
  const rest = () => { clearTimeout(queued); clearTimeout(last); queued = 0; };

  const listen = () => {
    if (document.hidden || source) return;
    source = new EventSource(new URL("v1/events", base));
    source.onopen = () => { wait = 1000; read(); };
    for (const kind of ["found", "cleared", "decided", "acted", "outcome", "notice", "deployed", "changed", "operated", "ran", "measured", "told"]) {
      source.addEventListener(kind, soon);
    }
    source.onerror = () => {
      away();
      source.close();
      source = null;
      setTimeout(listen, wait);
      wait = Math.min(wait * 2, 15000);
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      // A browser has few connections to one address: a page that nobody looks at keeps none.
      if (source) source.close();
      source = null;
      rest();
    } else listen();
  });
  addEventListener("pagehide", () => { if (source) source.close(); source = null; });
  addEventListener("pageshow", listen);
  setInterval(() => { if (lost) away(); }, 1000);
  // Figures change without an event.
  setInterval(() => { if (source && !document.hidden && !lost) read(); }, 60000 + Math.random() * 5000);
  listen();
})();
