// Each kind of page at each width, in both schemes, folded and unfolded, with a story behind it: nothing overflows, axe-core finds
// nothing, the console is silent, and nobody else is asked. And the page lives. `node page.mjs STAGE STORY FOLDER [pictures]`: with pictures of all.
import { atMost, check, listened, overflow, staged, start, violations, wrong } from "./kit.mjs";

const [, , stage, story, folder, pictures] = process.argv;
atMost(4);
const { url, server } = await staged(stage, story);
const { browser, axe } = await start(folder);
const WIDTHS = [320, 360, 1280, 2560];

const shown = async (colorScheme, page) => {
  const context = await browser.newContext({ viewport: { width: WIDTHS[0], height: 900 }, colorScheme });
  const { tab, said } = await listened(context, url);
  await tab.goto(url + page);
  for (const open of [false, true]) {
    if (open) await tab.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
    for (const width of WIDTHS) {
      await tab.setViewportSize({ width, height: 900 });
      const name = `/${page} ${colorScheme} ${width} ${open ? "unfolded" : "folded"}`;
      const over = await overflow(tab);
      check(over <= 0, `${name}: ${over} pixels too wide`);
      // What is folded is looked at when it is not.
      if (width !== 320 && (open || width === 1280)) {
        const found = await violations(tab, axe);
        check(found.length === 0, `${name}: axe-core ${found.join("; ")}`);
      }
      if (pictures) await tab.screenshot({ path: `${folder}/${page.replace(/\W+/g, "-") || "front"}-${colorScheme}-${width}${open ? "-open" : ""}.png`, fullPage: true });
    }
  }
  check(said.length === 0, `/${page} ${colorScheme}: quiet ${said.join("; ")}`);
  await context.close();
};
for (const colorScheme of ["light", "dark"]) {
  for (const page of ["", "units/shop.service", "incidents/6"]) await shown(colorScheme, page);
}

// What happens is shown, though the server's text may be a second old, and though more goes on happening.
const lives = async () => {
  const { tab } = await listened(await browser.newContext(), url);
  await tab.goto(url);
  await tab.waitForFunction(() => document.documentElement.classList.contains("live"));
  const hold = (unit, reason) => server.stdin.write(`+1s ask ${unit} hold 6h "${reason}"\n`);
  const shows = (text, timeout) => tab.waitForFunction((text) => document.body.textContent.includes(text), text, { timeout, polling: 20 }).then(() => true, () => false);
  hold("nginx.service", "the first");
  check(await shows("the first", 20000), "what happens is shown");
  // At once: the text of the first is still good for half a second.
  hold("nginx.service", "the second");
  check(await shows("the second", 20000), "what happens right after it is shown as well");
  let number = 0;
  const more = setInterval(() => { number += 1; hold("nginx.service", `step ${number} of many`); }, 100);
  const early = await shows("of many", 20000);
  clearInterval(more);
  check(early, `something is shown while more and more happens, ${number} in all`);
  check(await shows(`step ${number} of many`, 20000), "and the last of it in the end");
};
await lives();
await browser.close();
server.kill();
if (wrong.length) { console.error(`\n${wrong.length} not as they should be:\n${wrong.join("\n")}`); process.exit(1); }
