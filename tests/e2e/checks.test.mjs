// Health checks of kind mcp against the servers that people run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEverything } from './lib/everything.mjs';
import { startMcplb } from './lib/mcplb.mjs';
import { startModernReplicas, statsOf } from './lib/modern.mjs';
import { until } from './lib/wait.mjs';

const health = { check: 'mcp', interval: '50ms', timeout: '5s' };

const logText = (mcplb) => [mcplb.logs()].flat().join('\n');

const start = (urls) =>
  startMcplb({ config: { pools: [{ health, backends: urls.map((url) => ({ url })) }] } });

async function usable(mcplb, count) {
  const answer = await fetch(`${mcplb.adminUrl}/health`);
  return (await answer.json()).pools[0].backends.usable === count;
}

test('a legacy server is alive, and keeps one session for all checks until mcplb stops', async () => {
  const replica = await startEverything();
  try {
    const mcplb = await start([replica.url]);
    const said = (text) => replica.child.output.split(text).length - 1;
    await until(15_000, 'ten checks', () => said('Received MCP POST request') >= 12);
    assert.ok(await usable(mcplb, 1));
    assert.equal(said('Session initialized'), 1);
    await mcplb.stop();
    assert.doesNotMatch(logText(mcplb), /backend_down|backend_restarted/);
    await until(5000, 'the session to be deleted', () => said('Received session termination') === 1);
  } finally {
    await replica.stop();
  }
});

test('a legacy server that was started anew is known for it, and is up', async () => {
  let replica = await startEverything();
  const { port } = replica;
  let mcplb;
  try {
    mcplb = await start([replica.url]);
    // Once it is used, the balancer has heard of it.
    await until(15_000, 'a session that checks use', () =>
      replica.child.output.split('Received MCP POST request').length > 3,
    );
    await replica.stop();
    replica = await startEverything('streamableHttp', 'replica-1', { PORT: String(port) });
    await until(15_000, 'the restart to be told', () => /backend_restarted/.test(logText(mcplb)));
    await until(15_000, 'the server to be up', () => usable(mcplb, 1));
  } finally {
    await mcplb?.stop();
    await replica.stop();
  }
});

test('modern servers are alive', async () => {
  const replicas = await startModernReplicas();
  let mcplb;
  try {
    mcplb = await start(replicas.urls);
    await until(15_000, 'five checks of each', async () =>
      (await statsOf(replicas)).every(({ posts }) => posts.length >= 5),
    );
    assert.ok(await usable(mcplb, replicas.urls.length));
    assert.doesNotMatch(logText(mcplb), /backend_down/);
  } finally {
    await mcplb?.stop();
    await replicas.stop();
  }
});
