// The page in a real Chromium: live through an outage without a reload, folds that stay, grey without an answer, axe-core, widths, origins.
// `make browser` runs it; the modules it needs lie in target/browser.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

const [, , stage, story, folder] = process.argv;
const require = createRequire(path.resolve(folder, "package.json"));
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const address = "127.0.0.1:" + (20000 + (process.pid % 20000));
const url = `http://${address}/`;
const wrong = [];
const check = (holds, what) => { if (!holds) wrong.push(what); console.log(holds ? "ok  " : "FAIL", what); };

const server = spawn(stage, [address, story], { stdio: ["pipe", "pipe", "inherit"] });
const ready = new Promise((done) => createInterface(server.stdout).once("line", done));
const say = (line) => server.stdin.write(line + "\n");
await ready;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });

// Each page at each width in both schemes: nothing overflows, axe-core finds nothing, nothing is asked of another origin.
for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 360, 1280, 2560]) {
    for (const page of ["", "units/shop.service", "incidents/6"]) {
      for (const folded of [true, false]) {
        const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
        const tab = await context.newPage();
        const said = [];
        tab.on("console", (message) => said.push(message.text()));
        tab.on("pageerror", (error) => said.push(error.message));
        tab.on("request", (asked) => { if (!asked.url().startsWith(url) && !asked.url().startsWith("data:")) said.push(asked.url()); });
        await tab.goto(url + page);
        if (!folded) await tab.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
        const over = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        await tab.evaluate(axe);
        const found = await tab.evaluate(async () => (await axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`));
        const name = `/${page} ${colorScheme} ${width} ${folded ? "folded" : "unfolded"}`;
        check(over <= 0, `${name}: fits`);
        check(found.length === 0, `${name}: axe-core ${found.join("; ")}`);
        check(said.length === 0, `${name}: quiet ${said.join("; ")}`);
        if (width !== 320) await tab.screenshot({ path: `${folder}/${page.replace("/", "-") || "front"}-${colorScheme}-${width}${folded ? "" : "-open"}.png`, fullPage: true });
        await context.close();
      }
    }
  }
}

// With the policy in force: the page lives, and is never loaded again.
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const tab = await context.newPage();
let errors = [];
tab.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
tab.on("pageerror", (error) => errors.push(error.message));
await tab.goto(url);
await tab.evaluate(() => { window.same = true; document.querySelector('details[data-k="well"]').open = true; });
await tab.waitForFunction(() => document.documentElement.classList.contains("live"), null, { timeout: 20000 });
const state = (name) => tab.evaluate((unit) => {
  const link = [...document.querySelectorAll("a.unit")].find((one) => one.textContent === unit);
  const part = link && link.closest("article, li");
  return part && part.querySelector(".state") ? part.querySelector(".state").textContent.trim().split(" ").pop() : "ok";
}, name);
const until = async (unit, states, what) => {
  const end = Date.now() + 20000;
  while (!states.includes(await state(unit)) && Date.now() < end) await tab.waitForTimeout(50);
  check(states.includes(await state(unit)), `${unit} ${what}: ${await state(unit)}`);
};
say("+1s unit nginx.service failed/failed inv=n result=signal");
say("+1s wait");
await until("nginx.service", ["down", "recovering"], "is shown to be down");
say("job nginx.service done");
say("+1s unit nginx.service active/running inv=n2 main=1101");
say("processes nginx.service 1101:/@100ms");
await until("nginx.service", ["recovering"], "is shown to recover");
say("+10m wait");
await until("nginx.service", ["ok"], "is shown to be ok");
check(await tab.evaluate(() => window.same === true), "it was never loaded again");
check(await tab.evaluate(() => document.querySelector('details[data-k="well"]').open), "what was unfolded stays so");
check(errors.length === 0, `no error on the console: ${errors.join("; ")}`);
say("away");
await tab.waitForFunction(() => document.documentElement.classList.contains("stale"), null, { timeout: 30000 });
const old = await tab.textContent("#live");
check(/no answer from Steadfast/.test(old) && /old/.test(old), `grey with its age: ${old}`);
say("back");
await tab.waitForFunction(() => document.documentElement.classList.contains("live"), null, { timeout: 60000 });
check(true, "live again");
await browser.close();
server.kill();
if (wrong.length) { console.error(`\n${wrong.length} not as they should be:\n${wrong.join("\n")}`); process.exit(1); }
