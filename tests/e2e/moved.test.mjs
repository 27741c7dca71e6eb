// What a client has set up in its session is still there after its server was killed.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { assertProgress, call, connect, listening, replicaOf, textOf } from './lib/legacy.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import { startMortals } from './lib/mortal.mjs';
import { sleep, until } from './lib/wait.mjs';

const URI = 'demo://resource/dynamic/text/1';
const OTHER_URI = 'demo://resource/dynamic/text/2';

let replicas;
let mcplb;
const clients = [];
let restart; // of the server that was killed last

before(async () => {
  replicas = await startMortals();
  mcplb = await startMcplb({ config: { pools: [poolOf(replicas.urls)] } });
});

afterEach(async () => {
  await restart;
  for (const { client } of clients.splice(0)) await client.close();
});

after(async () => {
  try {
    await mcplb?.stop();
  } finally {
    await replicas?.stop();
  }
});

async function client(options) {
  const session = await connect(mcplb.url, options);
  clients.push(session);
  await listening(session);
  return session;
}

/** Kills the owner of the session, makes the client call, and asserts that another answered. */
async function moveOf({ client, transport, sessionId }) {
  await restart;
  const owner = replicas.named(await replicaOf(client));
  await owner.kill();
  try {
    assert.notEqual(await replicaOf(client), owner.name);
    assert.equal(transport.sessionId, sessionId, 'the id of the session');
  } finally {
    restart = owner.start();
  }
}

/** What arrives on the GET stream, in order: "updated URI" and "info DATA". */
function noting(seen) {
  return (client) => {
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
      seen.push(`updated ${params.uri}`),
    );
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) =>
      seen.push(`${params.level} ${params.data}`),
    );
  };
}

/** Toggles the updates until one of `URI` arrives: the stream may still be on its way. */
async function updateArrives(session, seen, uri) {
  await until(15_000, `an update of ${uri}`, async () => {
    await call(session.client, 'toggle-subscriber-updates');
    await sleep(100);
    return seen.includes(`updated ${uri}`);
  });
}

test('a subscription still sends updates over the GET stream', async () => {
  const seen = [];
  const session = await client({ prepare: noting(seen) });
  await session.client.subscribeResource({ uri: URI });
  await moveOf(session);
  await updateArrives(session, seen, URI);
});

test('a subscription that was given up stays given up', async () => {
  const seen = [];
  const session = await client({ prepare: noting(seen) });
  await session.client.subscribeResource({ uri: OTHER_URI });
  await session.client.subscribeResource({ uri: URI });
  await session.client.unsubscribeResource({ uri: OTHER_URI });
  await moveOf(session);
  await updateArrives(session, seen, URI);
  assert.ok(!seen.includes(`updated ${OTHER_URI}`), seen.join('\n'));
});

test('the level of log messages is still in force', async () => {
  const quiet = [];
  const loud = [];
  const sessions = [
    await client({ prepare: noting(quiet) }),
    await client({ prepare: noting(loud) }),
  ];
  await sessions[0].client.setLoggingLevel('error');
  await sessions[1].client.setLoggingLevel('debug');
  for (const [session, seen] of [[sessions[0], quiet], [sessions[1], loud]]) {
    await moveOf(session);
    await session.client.subscribeResource({ uri: URI });
    await updateArrives(session, seen, URI);
    seen.length = 0;
    // The server says with level info that it has got this, before any update of it.
    await session.client.subscribeResource({ uri: OTHER_URI });
    await updateArrives(session, seen, OTHER_URI);
  }
  const told = (seen) => seen.some((text) => text.startsWith('info Received Subscribe'));
  assert.ok(told(loud), loud.join('\n'));
  assert.ok(!told(quiet), quiet.join('\n'));
});

test('progress arrives after a move', async () => {
  const session = await client();
  await moveOf(session);
  const seen = [];
  const args = { duration: 1, steps: 4 };
  const onprogress = ({ progress }) => seen.push(progress);
  const options = { onprogress };
  const result = await call(session.client, 'trigger-long-running-operation', args, options);
  assert.match(textOf(result), /completed/);
  assertProgress(seen, 4);
});

test('a server asks for sampling and elicitation after a move', async () => {
  const session = await client({
    capabilities: { sampling: {}, elicitation: {} },
    prepare: (client) => {
      client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
        model: 'test-model',
        role: 'assistant',
        content: { type: 'text', text: `answer to ${params.messages[0].content.text}` },
      }));
      client.setRequestHandler(ElicitRequestSchema, () => ({
        action: 'accept',
        content: { name: 'somebody' },
      }));
    },
  });
  await moveOf(session);
  const prompt = { prompt: 'a question', maxTokens: 10 };
  const sampled = await call(session.client, 'trigger-sampling-request', prompt);
  assert.match(textOf(sampled), /answer to .*a question/);
  const { content } = await call(session.client, 'trigger-elicitation-request');
  assert.ok(content.some(({ text }) => text.includes('- Name: somebody')));
});

test('a server asks for roots over the GET stream after a move', async () => {
  const session = await client({
    capabilities: { roots: { listChanged: true } },
    prepare: (client) =>
      client.setRequestHandler(ListRootsRequestSchema, () => ({
        roots: [{ uri: 'file:///somewhere', name: 'somewhere' }],
      })),
  });
  await moveOf(session);
  // A server that asks before the stream is there waits in vain; it asks again for the next call.
  await until(20_000, 'the roots', async () => {
    const asked = call(session.client, 'get-roots-list', {}, { timeout: 3_000 });
    const answer = await asked.then(textOf, String);
    return answer.includes('file:///somewhere');
  });
});

test('a session moves again and again, and back to a server that it was on', async () => {
  const session = await client();
  const owners = new Set();
  for (let n = 0; n < 3; n += 1) {
    await moveOf(session);
    owners.add(await replicaOf(session.client));
  }
  assert.ok(owners.size >= 2, [...owners].join());
});
