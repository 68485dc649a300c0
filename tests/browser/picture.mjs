// The picture of README.md: `node picture.mjs STAGE STORY FOLDER FILE`.
import { atMost, staged, start } from "./kit.mjs";

const [, , stage, story, folder, file] = process.argv;
atMost(2);
const { url, server } = await staged(stage, story);
const { browser } = await start(folder);
const tab = await browser.newPage({ viewport: { width: 1280, height: 1000 }, colorScheme: "light" });
await tab.goto(url);
await tab.waitForFunction(() => document.documentElement.classList.contains("live"), null, { timeout: 30000 });
await tab.screenshot({ path: file });
await browser.close();
server.kill();
