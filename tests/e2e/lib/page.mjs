// The dashboard in a tab of a real browser.
import { FakeAdmin } from '../fixtures/fake-admin.mjs';
import { openTab } from './browser.mjs';
import { startMcplb } from './mcplb.mjs';

/** The page as the binary serves it: its body, and the fields that say what it may do. */
export async function builtPage() {
  const config = { pools: [{ backends: [{ url: 'http://127.0.0.1:1' }] }] };
  const mcplb = await startMcplb({ config });
  try {
    const answer = await fetch(`${mcplb.adminUrl}/`);
    const kept = ['content-type', 'content-security-policy', 'referrer-policy', 'cache-control'];
    const headers = Object.fromEntries(kept.map((name) => [name, answer.headers.get(name)]));
    return { headers, body: await answer.text() };
  } finally {
    await mcplb.stop();
  }
}

/** A tab that shows `url`; `row(id)` is a backend's row. */
export async function openDashboard(browser, url, settings) {
  const opened = await openTab(browser, settings);
  await opened.tab.goto(`${url}/`);
  const { tab } = opened;
  return {
    ...opened,
    headline: tab.locator('#headline'),
    lost: tab.locator('#lost'),
    row: (id) => tab.locator(`tr[data-backend="${id}"]`),
    field: (root, name) => root.locator(`[data-field=${name}]`),
    tile: (name) => tab.locator(`[data-tile=${name}] [data-field=value]`),
    button: (name) => tab.getByRole('button', { name, exact: true }),
  };
}

/** The page over states that the test writes; both end together. */
export async function openFake(browser, page, state, { settings, ...more } = {}) {
  const fake = await FakeAdmin.start(page, state);
  Object.assign(fake, more);
  const opened = await openDashboard(browser, fake.url, settings);
  const close = async () => {
    await opened.close();
    await fake.stop();
  };
  return { ...opened, fake, close };
}
