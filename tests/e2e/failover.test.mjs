// Plain servers are killed and restarted under load: no client has to open its session again, and
// only calls that were in flight on the killed one fail.
//   MCPLB_FAILOVER_SECONDS=60 makes each load last longer, with longer outages (120 is the most)
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import { startMortals } from './lib/mortal.mjs';
import { operate } from './lib/operate.mjs';
import { Traffic } from './lib/traffic.mjs';
import { sleep, until } from './lib/wait.mjs';
import { Redis } from './raw/lib/redis.mjs';

const SECONDS = Math.min(Number(process.env.MCPLB_FAILOVER_SECONDS ?? 3), 120);
const OUTAGE = SECONDS >= 30 ? 5_000 : 300; // ms that a killed server stays away
const CLIENTS = process.env.MCPLB_SANITIZED === 'yes' ? 8 : 30;
const CALL_LIMIT = 15_000; // a hanging server is seen before, and progress() waits longer

const running = [];
let traffic;

afterEach(async () => {
  try {
    await traffic?.close();
  } finally {
    traffic = undefined;
    for (const one of running.splice(0).reverse()) await one.stop();
  }
});

async function replicasFor(count = 3) {
  const replicas = await startMortals(count);
  running.push(replicas);
  return replicas;
}

async function balancerOf(replicas, more = {}) {
  const config = { pools: [poolOf(replicas.urls)], log: { access: 'stdout' }, ...more };
  const one = await startMcplb({ config });
  running.push(one);
  return one;
}

async function load(...balancers) {
  traffic = new Traffic(balancers, { callLimit: CALL_LIMIT });
  await traffic.start(CLIENTS);
}

/** Until every client has got another answer. What has failed is told at the end. */
async function progress() {
  const before = [...traffic.answered];
  const all = () => traffic.answered.every((count, client) => count > before[client]);
  await until(30_000, 'an answer for every client', () => traffic.failures.length > 0 || all());
}

/** The replica on whose death a call was lost; undefined when it was not in flight there. */
function culpritOf(lost, replicas, balancers) {
  const lines = balancers.flatMap((one) => one.logs().split('\n'));
  const line = lines.find((text) => text.includes(`request_id=${lost.requestId}`)) ?? '';
  return replicas.list.find(
    ({ id, deaths }) =>
      line.includes(`backend=${id} `) && deaths.some((death) => lost.began <= death),
  );
}

/** What the balancers say of backends and lost sessions. */
function toldBy(balancers) {
  const lines = balancers.flatMap((one) => one.logs().split('\n'));
  return lines.filter((line) => / (session_lost|backend_\w+) /.test(line)).join('\n');
}

/** Everything that must hold when the load is over; `deaths` is how often a server was killed. */
async function assertNothingLost(t, { replicas, balancers, deaths }) {
  await progress();
  await traffic.stop();
  const seen = traffic.report();
  t.diagnostic(JSON.stringify({ clients: CLIENTS, deaths, ...seen }));
  if (seen.failures.length > 0) t.diagnostic(toldBy(balancers));
  assert.deepEqual(seen.failures, []);
  assert.equal(seen.lost, 0, JSON.stringify(seen.statuses));
  assert.equal(seen.initializes, CLIENTS, 'no client had to initialize again');
  assert.deepEqual(traffic.inFlight, []);
  for (const lost of traffic.lostCalls) {
    assert.ok(culpritOf(lost, replicas, balancers), `not in flight at a kill: ${describe(lost)}`);
  }
  assert.ok(traffic.lostCalls.length <= deaths * CLIENTS);
}

const describe = (lost) => JSON.stringify(lost);

/** Kills one server after the other, each back before the next goes. */
async function killInTurn(replicas) {
  const end = Date.now() + SECONDS * 1000;
  let deaths = 0;
  do {
    for (const victim of replicas.list) {
      await progress();
      await victim.kill();
      deaths += 1;
      await sleep(OUTAGE);
      await progress();
      await victim.start();
    }
  } while (Date.now() < end);
  return deaths;
}

test('servers that are killed and restarted in turn cost no session', async (t) => {
  const replicas = await replicasFor();
  const balancer = await balancerOf(replicas);
  await load(balancer);
  const deaths = await killInTurn(replicas);
  await assertNothingLost(t, { replicas, balancers: [balancer], deaths });
});

test('two balancers that share a Redis lose no session of servers that are killed', async (t) => {
  const replicas = await replicasFor();
  const redis = await Redis.start();
  running.push(redis);
  const store = { redis: { url: redis.url } };
  const balancers = [
    await balancerOf(replicas, { store, instance: 'a' }),
    await balancerOf(replicas, { store, instance: 'b' }),
  ];
  await load(...balancers);
  const deaths = await killInTurn(replicas);
  await assertNothingLost(t, { replicas, balancers, deaths });
});

test('the last server keeps every session until a restarted one takes over', async (t) => {
  const replicas = await replicasFor();
  const balancer = await balancerOf(replicas);
  await load(balancer);
  const [first, second, third] = replicas.list;
  await progress();
  await first.kill();
  await progress();
  await second.kill();
  await progress();
  await first.start();
  // Nobody has a session on the restarted one; it has to be seen before the last other goes.
  await operate(balancer).untilUp(first.id);
  await third.kill();
  await progress();
  await second.start();
  await third.start();
  await assertNothingLost(t, { replicas, balancers: [balancer], deaths: 3 });
});

test('a server that hangs is left when its checks say so, and costs no session', async (t) => {
  const replicas = await replicasFor();
  // Slow enough for a machine that is busy: only the one that hangs may fail them.
  const health = { check: 'mcp', interval: '500ms', timeout: '3s', fall: 2, rise: 1 };
  const pools = [poolOf(replicas.urls, { health })];
  const balancer = await balancerOf(replicas, { pools });
  await load(balancer);
  await progress();
  const [victim] = replicas.list;
  victim.freeze();
  await progress();
  victim.thaw();
  await assertNothingLost(t, { replicas, balancers: [balancer], deaths: 1 });
});

test('all servers are drained and restarted in turn, and no call fails', async (t) => {
  const replicas = await replicasFor();
  const balancer = await balancerOf(replicas);
  await load(balancer);
  for (const victim of replicas.list) {
    await progress();
    await operate(balancer).drain(victim.id);
    await victim.end();
    await progress();
    await victim.start();
    await operate(balancer).activate(victim.id);
  }
  await assertNothingLost(t, { replicas, balancers: [balancer], deaths: 0 });
  assert.deepEqual(traffic.lostCalls, []);
});
