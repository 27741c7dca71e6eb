// Assertions that many tables share.

import assert from 'node:assert/strict';
import { RawClient } from './raw_client.mjs';

// A reply that mcplb made itself.
export function assertOwnReply(reply, { status, reason, code, id, outcome }) {
  const seen = `${reply.first} ${JSON.stringify(reply.headers)} ${reply.text}`;
  assert.ok([status].flat().includes(reply.status), `status is not ${status}: ${seen}`);
  if (reason !== undefined) {
    assert.ok(
      [reason].flat().includes(reply.get('X-Mcplb-Reason')),
      `reason is not ${reason}: ${seen}`,
    );
  }
  if (code !== undefined) {
    const { error, jsonrpc, id: echoed } = JSON.parse(reply.text);
    assert.equal(jsonrpc, '2.0', seen);
    assert.ok([code].flat().includes(error?.code), `code is not ${code}: ${seen}`);
    assert.equal(typeof error.message, 'string', seen);
    if (id !== undefined) assert.deepEqual(echoed, id, `id is not echoed: ${seen}`);
    if (outcome !== undefined) {
      assert.ok(
        [outcome].flat().includes(error.data?.outcome),
        `outcome is not ${outcome}: ${seen}`,
      );
    }
  }
  if (reply.status === 503) assert.match(reply.get('Retry-After') ?? '', /^[0-9]+$/, seen);
}

// What came from a backend, not from mcplb.
export function assertFromBackend(reply, status = 200) {
  assert.equal(
    reply.status,
    status,
    `${reply.first} ${JSON.stringify(reply.headers)} ${reply.text}`,
  );
  assert.equal(reply.get('X-Mcplb-Reason'), undefined, reply.text);
}

// A request that mcplb refuses by itself: the backend sees no byte, and the connection is closed
// unless `open` leaves that to mcplb.
export async function assertRefused(
  balancer,
  backend,
  data,
  { status = 400, reason = 'bad_request', open = false, code, id } = {},
) {
  const before = backend.bytesReceived;
  await RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(data);
    const certain = answer.status === 400 || [status].flat().length === 1;
    assertOwnReply(answer, { status, code, id, reason: certain ? reason : undefined });
    if (!open) await client.closed();
  });
  assert.equal(backend.bytesReceived, before, 'the backend saw bytes of it');
}
