// Runs the official conformance suite twice for each protocol revision: straight against one
// plain replica, and through mcplb over three. What a replica passes alone, it must pass behind
// the balancer. Ends with `N passed, N failed`, N counting checks through the balancer.
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './lib/child.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import { inSuite, nodeBinary } from './lib/node.mjs';
import { startReplicas } from './lib/replicas.mjs';
import { within } from './lib/wait.mjs';

// How many checks the fixture passes without a balancer. Fewer means that the fixture broke.
// The checks it does not pass are those of the optional tasks extension, which it does not offer.
const fullScore = { '2025-11-25': 84, '2026-07-28': 163 };

// A plain replica tells only the listeners it holds itself. The suite listens with one request
// and changes the list with another: behind a balancer these may meet different replicas, and the
// notification of one would have to reach a listener on another. Both are SHOULD requirements.
const mayDiffer = new Set([
  'server-stateless/sep-2575-server-sends-prompts-list-changed-on-subscription',
  'server-stateless/sep-2575-server-sends-tools-list-changed-on-subscription',
]);

const suite = inSuite('node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** Runs the suite and returns scenario → its checks, each `{key, status, errorMessage}`. */
async function measure(url, revision) {
  const directory = await mkdtemp(join(tmpdir(), 'conformance-'));
  const target = new URL('/mcp', url).href;
  const args = ['server', '--url', target, '--requirements', revision, '-o', directory];
  const child = new Child(nodeBinary, [suite, ...args], { cwd: directory });
  try {
    await within(180_000, `conformance ${revision} against ${url}`, child.ended);
    const scenarios = new Map();
    for (const entry of (await readdir(directory)).sort()) {
      const name = entry.match(/^server-(.+)-\d{4}-\d\d-\d\dT/)?.[1];
      if (!name) continue;
      const checks = JSON.parse(await readFile(join(directory, entry, 'checks.json'), 'utf8'));
      scenarios.set(name, withKeys(name, checks));
    }
    if (scenarios.size === 0) throw new Error(`the suite saved no results\n${child.output}`);
    return scenarios;
  } finally {
    await child.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Names every check; one that occurs again in its scenario is numbered. */
function withKeys(scenario, checks) {
  const seen = new Map();
  return checks.map(({ id, name, status, errorMessage }) => {
    const times = (seen.get(id + name) ?? 0) + 1;
    seen.set(id + name, times);
    const key = `${scenario}/${id}`;
    return { key, label: `${key} ${name} ${times}`, status, errorMessage };
  });
}

const passed = (checks) => checks.filter(({ status }) => status === 'SUCCESS');
const failed = (checks) => checks.filter(({ status }) => status === 'FAILURE');

/** The checks that passed directly and do not pass through the balancer. */
function differences(direct, balanced) {
  const through = new Map(balanced.map((check) => [check.label, check]));
  return passed(direct)
    .map(({ key, label }) => ({ key, label, ...through.get(label) }))
    .filter(({ status }) => status !== 'SUCCESS');
}

function printTable(revision, direct, balanced) {
  const row = (name, one, two) => console.log(name.padEnd(50), one.padStart(10), two.padStart(10));
  const score = (checks) => `${passed(checks).length}/${failed(checks).length}`;
  console.log(`\n${revision}: passed/failed checks`);
  row('scenario', 'direct', 'balanced');
  for (const [name, checks] of direct) row(name, score(checks), score(balanced.get(name) ?? []));
  row('total', score([...direct.values()].flat()), score([...balanced.values()].flat()));
}

/** Returns how many checks passed through the balancer and how many it spoiled. */
async function compare(revision, replicaUrl, balancerUrl) {
  const direct = await measure(replicaUrl, revision);
  const balanced = await measure(balancerUrl, revision);
  printTable(revision, direct, balanced);

  const directChecks = [...direct.values()].flat();
  const balancedChecks = [...balanced.values()].flat();
  const counts = { passed: passed(balancedChecks).length, failed: 0 };
  const full = fullScore[revision];
  if (passed(directChecks).length !== full) {
    console.log(`FAILED: directly ${passed(directChecks).length} checks pass, expected ${full}`);
    for (const { label, status, errorMessage } of directChecks) {
      if (status === 'FAILURE') console.log(`  ${label}: ${errorMessage}`);
    }
    counts.failed++;
  }
  for (const { key, label, status, errorMessage } of differences(directChecks, balancedChecks)) {
    const allowed = mayDiffer.has(key);
    if (!allowed) counts.failed++;
    console.log(`${allowed ? 'allowed' : 'FAILED'}: ${label}: ${status ?? 'missing'}`);
    if (errorMessage) console.log(`  ${errorMessage}`);
  }
  return counts;
}

const replicas = await startReplicas(3, inSuite('fixtures/conformance-server.mjs'));
const mcplb = await startMcplb({ config: { pools: [poolOf(replicas.urls)] } });
const total = { passed: 0, failed: 0 };
try {
  for (const revision of Object.keys(fullScore)) {
    const counts = await compare(revision, replicas.urls[0], mcplb.url);
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
  await mcplb.stop();
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  total.failed++;
} finally {
  await mcplb.kill();
  await replicas.stop();
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
