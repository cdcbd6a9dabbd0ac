// Debian's Chromium under playwright-core. Each call is a browser with a fresh profile.
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const artifacts = fileURLToPath(new URL('../../artifacts/', import.meta.url));
mkdirSync(artifacts, { recursive: true });

// A busy machine may need more.
const waitMsMax = Number(process.env.E2E_WAIT_MS ?? 10_000);
const candidates = [process.env.CHROMIUM_BIN, '/usr/bin/chromium', '/usr/bin/chromium-browser'];

export async function launchBrowser() {
  const executablePath = candidates.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('Chromium is missing: apt-get install chromium');
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page that fails the test on any uncaught error or any request to another host. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 960 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(waitMsMax);
  const problems = [];
  page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
  const home = new URL(url).host;
  page.on('request', (request) => {
    const { host, protocol } = new URL(request.url());
    if (/^(http|ws)/.test(protocol) && host !== home) problems.push(`request to ${host}`);
  });
  await page.goto(url);
  return { page, context, problems };
}

/** Keeps a picture in artifacts/. */
export function shoot(page, name, options = {}) {
  return page.screenshot({ path: `${artifacts}${name}.png`, ...options });
}
