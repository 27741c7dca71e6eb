// Event streams of the legacy era: progress, server requests, the GET stream, resuming.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { startEverythingReplicas } from './lib/everything.mjs';
import {
  assertProgress,
  call,
  connect,
  headersOf,
  initialize,
  listening,
  textOf,
} from './lib/legacy.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import { events } from './lib/sse.mjs';
import { sleep, until, within } from './lib/wait.mjs';

let replicas;
let mcplb;

before(async () => {
  replicas = await startEverythingReplicas();
  mcplb = await startMcplb({ config: { pools: [poolOf(replicas.urls)] } });
});

after(async () => {
  try {
    await mcplb?.stop();
  } finally {
    await replicas?.stop();
  }
});

test('progress of a long call arrives while the call runs', async () => {
  const { client } = await connect(mcplb.url);
  const arrivals = [];
  const onprogress = ({ progress }) => arrivals.push({ progress, at: Date.now() });
  const args = { duration: 2, steps: 4 };
  const result = await call(client, 'trigger-long-running-operation', args, { onprogress });
  const end = Date.now();
  assert.match(textOf(result), /completed/);
  assertProgress(arrivals.map(({ progress }) => progress), 4);
  assert.ok(end - arrivals[0].at > 1_000, 'the first progress came long before the end');
  await client.close();
});

test('ten long calls of one session run side by side, each with its own progress', async () => {
  const { client } = await connect(mcplb.url);
  const args = { duration: 1, steps: 5 };
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const seen = [];
      const onprogress = ({ progress }) => seen.push(progress);
      await call(client, 'trigger-long-running-operation', args, { onprogress });
      assertProgress(seen, 5);
    }),
  );
  await client.close();
});

test('the answer to a sampling request reaches the replica that asked', async () => {
  const answer = (client) =>
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      model: 'test-model',
      role: 'assistant',
      content: { type: 'text', text: `answer to ${params.messages[0].content.text}` },
    }));
  await withClients({ sampling: {} }, answer, async (client, index) => {
    const prompt = `question ${index}`;
    const result = await call(client, 'trigger-sampling-request', { prompt, maxTokens: 10 });
    assert.match(textOf(result), new RegExp(`answer to .*question ${index}`));
  });
});

test('the answer to an elicitation request reaches the replica that asked', async () => {
  const answer = (client, index) =>
    client.setRequestHandler(ElicitRequestSchema, async () => {
      await sleep(200); // a human takes a while
      return { action: 'accept', content: { name: `human ${index}` } };
    });
  await withClients({ elicitation: {} }, answer, async (client, index) => {
    const { content } = await call(client, 'trigger-elicitation-request');
    assert.ok(content.some(({ text }) => text.includes(`- Name: human ${index}`)));
  });
});

test('roots that the server asks for over the GET stream come back to it', async () => {
  const answer = (client, index) =>
    client.setRequestHandler(ListRootsRequestSchema, () => ({
      roots: [{ uri: `file:///root-${index}`, name: `root ${index}` }],
    }));
  await withClients({ roots: { listChanged: true } }, answer, async (client, index) => {
    const result = await call(client, 'get-roots-list');
    assert.match(textOf(result), new RegExp(`file:///root-${index}\\b`));
  });
});

/** Three clients, so that every replica has one, each doing `work` at the same time. */
async function withClients(capabilities, prepare, work) {
  await Promise.all(
    [0, 1, 2].map(async (index) => {
      const session = await connect(mcplb.url, {
        capabilities,
        prepare: (client) => prepare(client, index),
      });
      await listening(session);
      await within(10_000, `work of client ${index}`, work(session.client, index));
      await session.client.close();
    }),
  );
}

test('log messages arrive over the GET stream', async () => {
  const messages = [];
  const session = await connect(mcplb.url, {
    prepare: (client) =>
      client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) =>
        messages.push(params),
      ),
  });
  const { client, sessionId } = session;
  await listening(session);
  await client.setLoggingLevel('debug');
  await call(client, 'toggle-simulated-logging');
  await until(5_000, 'a log message', () => messages.some(({ data }) => data.includes(sessionId)));
  await call(client, 'toggle-simulated-logging');
  await client.close();
});

test('updates of a subscribed resource arrive over the GET stream', async () => {
  const updated = [];
  const session = await connect(mcplb.url, {
    prepare: (client) =>
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
        updated.push(params.uri),
      ),
  });
  const { client } = session;
  await listening(session);
  const uri = 'demo://resource/dynamic/text/1';
  await client.subscribeResource({ uri });
  await call(client, 'toggle-subscriber-updates');
  await until(5_000, 'an update', () => updated.includes(uri));
  await call(client, 'toggle-subscriber-updates');
  await client.close();
});

test('a stream that broke is resumed with Last-Event-ID at the owner of the session', async () => {
  const sessionId = await initialize(mcplb.url);
  const broken = new AbortController();
  const stream = await startOperation(sessionId, broken.signal);
  const first = await within(5_000, 'the first event', events(stream).next());
  assert.ok(first.value.id, 'the event carries an id');
  broken.abort();
  await sleep(1_500); // the operation goes on without a listener: leaving is not cancelling

  const resumed = await resume(sessionId, first.value.id);
  assert.deepEqual(resumed.progress, [1, 2, 3, 4]);
  assert.match(textOf(resumed.result), /completed/);
});

test('six sessions that lost their streams each resume at their own owner', async () => {
  const ids = await Promise.all(Array.from({ length: 6 }, () => initialize(mcplb.url)));
  await Promise.all(
    ids.map(async (sessionId) => {
      const broken = new AbortController();
      const stream = await startOperation(sessionId, broken.signal);
      const { value } = await within(5_000, 'the first event', events(stream).next());
      broken.abort();
      await sleep(1_500);
      const { result } = await resume(sessionId, value.id);
      assert.match(textOf(result), /completed/);
    }),
  );
});

/** Starts a one second operation with four steps; resolves with its event stream. */
async function startOperation(sessionId, signal) {
  const params = {
    name: 'trigger-long-running-operation',
    arguments: { duration: 1, steps: 4 },
    _meta: { progressToken: 'token' },
  };
  const response = await fetch(new URL('/mcp', mcplb.url), {
    method: 'POST',
    headers: headersOf(sessionId),
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    signal,
  });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  return response;
}

/** Reads what followed `lastEventId` up to the result of request 1. */
async function resume(sessionId, lastEventId) {
  const enough = AbortSignal.timeout(10_000);
  const response = await fetch(new URL('/mcp', mcplb.url), {
    headers: { ...headersOf(sessionId), 'last-event-id': lastEventId },
    signal: enough,
  });
  assert.equal(response.status, 200);
  const progress = [];
  for await (const { data } of events(response)) {
    const message = JSON.parse(data || '{}');
    if (message.method === 'notifications/progress') progress.push(message.params.progress);
    if (message.id === 1) return { progress, result: message.result };
  }
  throw new Error('the resumed stream ended without the result');
}
