// A real browser: Debian's chromium, without a window.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const PATIENCE = 10_000;

export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.MCPLB_CHROMIUM ?? '/usr/bin/chromium',
    // A sandbox cannot be had by root, and in few containers.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  return browser;
}

/**
 * A fresh tab that notes what a console would show. `calm()` throws when there was anything but
 * what is expected: `allowed` matches it.
 */
export async function openTab(browser, settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...settings });
  context.setDefaultTimeout(PATIENCE);
  const tab = await context.newPage();
  const complaints = [];
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  tab.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack ?? error}`));
  await tab.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return {
    tab,
    calm: (allowed = /^$/) =>
      assert.deepEqual(complaints.filter((text) => !allowed.test(text)), []),
    close: () => context.close(),
  };
}
