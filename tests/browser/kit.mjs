// What both browser tests use: a Chromium, a tab that is listened to, and what is asked of every page.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";

export const wrong = [];
/// Says what holds, and keeps what does not.
export const check = (holds, what) => {
  if (!holds) wrong.push(what);
  console.log(holds ? "ok  " : "FAIL", what);
};

/// A Chromium; `folder`: where tools.sh installed.
export const start = async (folder) => {
  const require = createRequire(path.resolve(folder, "package.json"));
  const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  const browser = await require("playwright-core").chromium.launch({ executablePath, args: ["--no-sandbox"] });
  return { browser, axe };
};

/// What a story publishes at its end, served at an address that was free.
export const staged = async (stage, story) => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const address = `127.0.0.1:${free.address().port}`;
  free.close();
  const server = spawn(stage, [address, story], { stdio: ["pipe", "pipe", "inherit"] });
  await once(createInterface(server.stdout), "line");
  return { url: `http://${address}/`, server };
};

/// A tab, and all that its console says and that it asks of another origin.
export const listened = async (context, origin) => {
  const tab = await context.newPage();
  const said = [];
  tab.on("console", (message) => said.push(message.text()));
  tab.on("pageerror", (error) => said.push(error.message));
  tab.on("request", (asked) => {
    if (!asked.url().startsWith(origin) && !asked.url().startsWith("data:")) said.push(`asked for ${asked.url()}`);
  });
  return { tab, said };
};

/// What axe-core finds.
export const violations = async (tab, axe) => {
  if (!(await tab.evaluate(() => "axe" in window))) await tab.evaluate(axe);
  return tab.evaluate(async () => (await window.axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`));
};

/// So many pixels are wider than the window.
export const overflow = (tab) => tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/// Nothing here may last for ever.
export const atMost = (minutes) => {
  setTimeout(() => { console.error(`it still runs after ${minutes} minutes`); process.exit(2); }, minutes * 60000).unref();
};
