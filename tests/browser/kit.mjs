// What both browser tests use: a Chromium, a tab that is listened to, and what is asked of every page.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

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
