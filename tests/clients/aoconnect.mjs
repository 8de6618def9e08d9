// aoconnect against a node, in its legacy mode and in that for HyperBEAM: what it spawns, writes and assigns gets a slot, it finds
// the node by the record that it publishes, and what only other units answer schedules nothing.
//
//   node aoconnect.mjs target/release/quipu

import assert from 'node:assert/strict'
import { spawn as run } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const quipu = process.argv[2]
if (!quipu) throw new Error('expected the path of the binary quipu')

// A port with two free ones behind it, as far as anybody can tell.
function listens (port) {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
async function freePort () {
  for (;;) {
    const first = await listens(0)
    const { port } = first.address()
    const others = await Promise.allSettled([listens(port + 1), listens(port + 2)])
    const open = [first, ...others.filter(({ value }) => value).map(({ value }) => value)]
    await Promise.all(open.map(server => new Promise(resolve => server.close(resolve))))
    if (open.length === 3) return port
  }
}

const folder = mkdtempSync(join(tmpdir(), 'quipu-clients-'))
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const gateway = `http://127.0.0.1:${port + 2}`

// The client asks hosts of the network that it was made for, too, before those that it is told: nothing leaves this machine.
const asked = []
const fetchHere = globalThis.fetch
globalThis.fetch = async (input, init) => {
  const to = new URL(input.url ?? input)
  if (to.hostname !== '127.0.0.1') return new Response('not from here', { status: 404 })
  const answer = await fetchHere(input, init)
  asked.push(`${init?.method ?? input.method ?? 'GET'} ${to.pathname} ${answer.status}`)
  return answer
}
// Both are read when the client is loaded.
process.env.GRAPHQL_URL = `${gateway}/graphql`
const { connect, createDataItemSigner, createSigner } = await import('@permaweb/aoconnect')

async function json (path) {
  const answer = await fetchHere(url + path)
  assert.equal(answer.status, 200, path)
  return answer.json()
}

async function eventually (what, find) {
  for (let tries = 0; tries < 300; tries++) {
    const found = await find()
    if (found) return found
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`${what}: not within 30 seconds`)
}

// Whether the gateway has a transaction that this filter finds.
async function isIndexed (filter) {
  const query = `query { transactions(${filter}) { edges { node { id } } } }`
  const body = JSON.stringify({ query })
  const answer = await fetchHere(`${gateway}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return (await answer.json()).data.transactions.edges.length > 0
}

const tagOf = (item, name) => item.tags.find(tag => tag.name === name)?.value
const ans104 = { method: 'POST', 'signing-format': 'ans104', 'Data-Protocol': 'ao' }

// A module as the client wants one to be, which it looks up before it spawns.
async function uploadModule (signer) {
  const { request } = connect({ MODE: 'mainnet', URL: gateway, signer })
  const encodings = { 'Module-Format': 'wasm32', 'Input-Encoding': 'JSON-1', 'Output-Encoding': 'JSON-1' }
  const answer = await request({ ...ans104, path: '/tx', Type: 'Module', ...encodings, data: 'module' })
  assert.equal(answer.status, 200)
  return (await answer.json()).id
}

// Its legacy mode, with the node as its message unit: it sends items and assignments as it would to one, and reads of the node what
// it reads of any scheduler, which it finds by the record on Arweave.
async function legacy (jwk, module, scheduler) {
  const signer = createDataItemSigner(jwk)
  const client = connect({ MODE: 'legacy', GRAPHQL_URL: process.env.GRAPHQL_URL, MU_URL: url, CU_URL: url, noLog: true })
  const tags = [{ name: 'Authority', value: scheduler }]
  const id = await client.spawn({ module, scheduler, signer, tags, data: '1984' })
  const spawned = await json(`/processes/${id}`)
  assert.deepEqual([spawned.process_id, tagOf(spawned, 'Module'), tagOf(spawned, 'Type')], [id, module, 'Process'])

  await eventually('the process is uploaded', () => isIndexed(`ids: ["${id}"]`))
  await eventually('the record is published', () => isIndexed('tags: [{ name: "Type", values: ["Scheduler-Location"] }]'))
  const ping = [{ name: 'Action', value: 'Ping' }, { name: 'X', value: '1' }, { name: 'X', value: '2' }]
  const sent = { process: id, signer, tags: ping, data: 'hi', returnAssignmentSlot: true, returnMessageId: true }
  const { slot, id: message } = await client.message(sent)
  assert.equal(slot, '1')
  const signed = await client.signMessage({ process: id, signer, tags: ping, data: 'signed before' })
  assert.equal(await client.sendSignedMessage(signed), signed.id)

  const one = await client.getMessageById({ processId: id, messageId: message })
  assert.deepEqual([one.message.id, one.message.data, tagOf(one.assignment, 'Nonce')], [message, 'hi', '1'])
  // What is on chain and not in the process yet.
  const assignment = await client.assign({ process: id, message: module })
  await assert.rejects(client.assign({ process: id, message }), /409: .*duplicate_message/)
  assert.equal(await client.getLastSlot({ processId: id }), '3')
  const page = await client.getMessages({ processId: id, from: '0', to: String(Date.now() + 1000), limit: '100' })
  assert.deepEqual(page.edges.map(({ node }) => tagOf(node.assignment, 'Nonce')), ['0', '1', '2', '3'])
  assert.equal(page.edges[3].node.assignment.id, assignment)
  assert.equal(page.edges[3].node.message, null)
  // What computes is another unit; the client takes whatever JSON it is told for a result.
  assert.equal((await client.result({ process: id, message })).code, 'not_found')
  assert.equal(await client.getLastSlot({ processId: id }), '3')
}

// Its mode for HyperBEAM: a request is signed and posted, whatever it asks.
async function mainnet (jwk, module, scheduler) {
  const signer = createSigner(jwk)
  const client = connect({ MODE: 'mainnet', URL: url, SCHEDULER: scheduler, signer })
  const { request } = client
  const spawns = { Type: 'Process', Module: module, Scheduler: scheduler, Authority: scheduler, data: '1984' }
  const spawned = await request({ ...ans104, path: '/~scheduler@1.0/schedule', ...spawns })
  assert.deepEqual([spawned.status, spawned.headers.get('slot')], [200, '0'])
  const target = spawned.headers.get('process')

  const current = async () => {
    const answer = await request({ ...ans104, target, path: `/${target}/slot/current`, Type: 'Message' })
    assert.equal(answer.status, 200)
    return answer.text()
  }
  assert.equal(await current(), '0')
  const path = `/${target}/~scheduler@1.0/schedule`
  const ping = { ...ans104, target, path, Type: 'Message', Action: 'Ping', data: 'hi' }
  for (const data of ['hi', 'and again']) assert.equal((await request({ ...ping, data })).status, 200)
  assert.equal(await current(), '2')
  assert.equal(await current(), '2')

  // Signed in its other way, as an HTTP message, it is told to sign it as an item, and nothing is taken.
  const { 'signing-format': _, ...unlike } = ping
  const refused = await request(unlike)
  assert.deepEqual([refused.status, (await refused.json()).code], [422, 'invalid_parameter'])

  // What it asks of units that push and compute is not found here, and it says so; `results` has asked for the slot by then.
  asked.length = 0
  await assert.rejects(client.results({ process: target }), /Error getting results/)
  assert.deepEqual(asked, [`POST /${target}/slot/current 200`, `POST /${target}/compute/results=2 404`])
  for (const [call, said] of [
    [() => client.spawn({ module, data: '1984' }), /Error spawning process/],
    [() => client.message({ process: target, data: 'hi' }), /Error sending message/],
    [() => client.result({ process: target, slot: 1 }), /Error getting result/],
    [() => client.dryrun({ process: target, data: 'hi' }), /Error running dryrun/]
  ]) {
    asked.length = 0
    await assert.rejects(call(), said)
    assert.deepEqual(asked.map(line => line.split(' ').at(-1)), ['404'], asked)
  }
  assert.equal(await current(), '2')

  const page = await json(`/~scheduler@1.0/schedule?target=${target}&from=1&to=1&accept=application%2Faos-2`)
  const [edge] = page.edges
  assert.deepEqual([edge.cursor, edge.node.message.Data], [1, 'hi'])
  const other = (await json(`/${target}?from-nonce=0`)).edges[0].node
  assert.equal(edge.node.message.Id, other.message.id)
  assert.equal(edge.node.assignment.Id, other.assignment.id)
  assert.deepEqual(edge.node.assignment.Tags, other.assignment.tags)
}

const args = ['dev', '--dir', join(folder, 'dev'), String(port)]
const node = run(quipu, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LOCATION_URL: url } })
const ended = new Promise(resolve => node.once('exit', resolve))
try {
  await new Promise((resolve, reject) => {
    node.once('exit', code => reject(new Error(`quipu dev ended with ${code}`)))
    node.stdout.on('data', text => String(text).includes('Ctrl-C') && resolve())
  })
  const key = generateKeyPairSync('rsa', { modulusLength: 4096, publicExponent: 65537 })
  const jwk = key.privateKey.export({ format: 'jwk' })
  const { address } = await json('/')
  const module = await uploadModule(createSigner(jwk))
  await legacy(jwk, module, address)
  await mainnet(jwk, module, address)
  console.log('aoconnect: as it must be')
} finally {
  node.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true })
}
