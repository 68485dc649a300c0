// One tab that somebody else drives: each line of standard input is one thing to do or to wait for, answered by a line that begins
// with `ok` or `FAIL`. `node live.mjs URL FOLDER`; tests/machine/browser.rs has the daemon that is looked at.
import { createInterface } from "node:readline";
import { atMost, listened, overflow, start, violations } from "./kit.mjs";

const [, , url, folder] = process.argv;
const LIMIT = 60000;
atMost(6);

const { browser, axe } = await start(folder);
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const { tab, said } = await listened(context, url);

// Each state that the page shows of each unit, one after another, as it changes: a look now and then would miss one.
const record = () => {
  window.seen = {};
  const look = () => {
    for (const link of document.querySelectorAll("a.unit")) {
      const part = link.closest("article, .lines > li, .rows > li");
      if (!part || part.closest("#incidents, #over, #drills")) continue;
      const shown = part.querySelector(".state");
      const all = window.seen[link.textContent] ??= [];
      const state = shown ? shown.textContent.trim().split(" ").pop() : "ok";
      if (all.at(-1) !== state) all.push(state);
    }
  };
  look();
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
};
const until = (holds, given) => tab.waitForFunction(holds, given, { timeout: LIMIT, polling: 50 });
const is = (name) => until((one) => document.documentElement.classList.contains(one), name);
const verbs = {
  async open(path) {
    await tab.goto(url + (path || ""));
    await is("live");
    await tab.evaluate(record);
  },
  fold: (key) => tab.evaluate((k) => { document.querySelector(`details[data-k="${k}"]`).open = false; }, key),
  unfold: (key) => tab.evaluate((k) => { document.querySelector(`details[data-k="${k}"]`).open = true; }, key),
  folded: (key) => until((k) => document.querySelector(`details[data-k="${k}"]`)?.open === false, key),
  unfolded: (key) => until((k) => document.querySelector(`details[data-k="${k}"]`)?.open === true, key),
  // These states in this order, others between them, the last of them now; and never another page.
  async saw(unit, ...states) {
    try {
      await until(([unit, states]) => {
        const all = window.seen[unit] ?? [];
        let at = 0;
        for (const state of all) if (state === states[at]) at += 1;
        return at === states.length && all.at(-1) === states.at(-1);
      }, [unit, states]);
    } finally {
      console.error(JSON.stringify(await tab.evaluate(() => window.seen ?? "it was loaded anew")));
    }
  },
  says: (...words) => until((text) => document.body.innerText.includes(text), words.join(" ")),
  // Nothing that others wrote is an element, runs, or steers the eye.
  async harmless() {
    const found = await tab.evaluate(() => {
      document.querySelectorAll("details").forEach((one) => { one.open = true; });
      const steers = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
      const all = [...document.querySelectorAll("*")];
      return {
        ran: "pwned" in window,
        elements: all.filter((one) => ["SCRIPT", "IMG", "B"].includes(one.tagName) && /pwned|2J/.test(one.outerHTML)).length,
        attributes: all.filter((one) => [...one.attributes].some((a) => a.name.startsWith("on") || steers.test(a.value))).length,
        steers: steers.test(document.documentElement.textContent) || steers.test(document.title),
      };
    });
    if (Object.values(found).some(Boolean)) throw new Error(JSON.stringify(found));
  },
  live: () => is("live"),
  stale: () => is("stale"),
  async well() {
    const found = [...await violations(tab, axe), ...said];
    const over = await overflow(tab);
    if (over > 0) found.push(`${over} pixels too wide`);
    if (found.length) throw new Error(found.join("; "));
  },
  // What the browser itself says of a server that is away, or of a page that is not there, is no fault of the page.
  forgive: () => { said.splice(0, said.length, ...said.filter((one) => !/net::ERR_|status of 404/.test(one))); },
};
console.log("ok started");
for await (const line of createInterface(process.stdin)) {
  const [verb, ...given] = line.split(" ");
  try {
    await verbs[verb](...given);
    console.log("ok", line);
  } catch (why) {
    console.log("FAIL", line, String(why.message).replaceAll("\n", " "));
  }
}
await browser.close();
