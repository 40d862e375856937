'use strict';
// Run by compat-tests/kits with node-zookeeper-client, a client that we did not write.
const assert = require('node:assert');
const test = require('node:test');
const zookeeper = require('node-zookeeper-client');
const { TestingServer, TestingEnsemble, OxkeeperError } = require('oxkeeper');

function client(where) {
  return new Promise((resolve) => {
    const made = zookeeper.createClient(where, { sessionTimeout: 10000, spinDelay: 50, retries: 20 });
    made.once('connected', () => resolve(made));
    made.connect();
  });
}

const call = (made, name, ...args) => new Promise((resolve, reject) => {
  made[name](...args, (error, ...answer) => (error ? reject(error) : resolve(answer)));
});

test('a server', async () => {
  const server = await TestingServer.start();
  let c = await client(server.connectString);
  await call(c, 'create', '/a', Buffer.from('1'));
  c.close();
  await server.restart();
  c = await client(server.connectString);
  assert.strictEqual((await call(c, 'getData', '/a'))[0].toString(), '1');
  c.close();
  await server.stop();
  await assert.rejects(server.stop(), OxkeeperError);
  await server.close();
  await server.close();
  await assert.rejects(server.restart(), OxkeeperError);
});

test('what is wrong is told', async () => {
  await assert.rejects(TestingServer.start({ settings: { tickTime: 'soon' } }), /tickTime/);
});

test('an ensemble', async () => {
  const ensemble = await TestingEnsemble.start(3);
  let c = await client(ensemble.connectString);
  await call(c, 'create', '/a', Buffer.from('1'));
  c.close();
  const leader = await ensemble.leader();
  const others = [1, 2, 3].filter((number) => number !== leader);
  await ensemble.kill(leader);
  await ensemble.awaitServing(...others);
  c = await client(others.map((number) => ensemble.members[number - 1]).join(','));
  assert.strictEqual((await call(c, 'getData', '/a'))[0].toString(), '1');
  c.close();
  await ensemble.restart(leader);
  await ensemble.awaitServing();
  assert.strictEqual(await ensemble.mode(leader), 'follower');
  await ensemble.close();
});
