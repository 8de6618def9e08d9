// aoconnect in its mode for HyperBEAM against a node: what it writes gets a slot, and asking for slots schedules nothing.
//
//   node aoconnect.mjs target/release/quipu

import assert from 'node:assert/strict'
import { spawn, execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createSigner } from '@permaweb/aoconnect'

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
const node = spawn(quipu, ['dev', '--dir', join(folder, 'dev'), String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
const ended = new Promise(resolve => node.once('exit', resolve))

async function json (path) {
  const answer = await fetch(url + path)
  assert.equal(answer.status, 200, path)
  return answer.json()
}

try {
  await new Promise((resolve, reject) => {
    node.once('exit', code => reject(new Error(`quipu dev ended with ${code}`)))
    node.stdout.on('data', text => String(text).includes('Ctrl-C') && resolve())
  })
  const wallet = join(folder, 'dev', 'user-wallet.json')
  const target = execFileSync(quipu, ['spawn', '--url', url, '--wallet', wallet], { encoding: 'utf8' }).trim()
  const key = generateKeyPairSync('rsa', { modulusLength: 4096, publicExponent: 65537 })
  const signer = createSigner(key.privateKey.export({ format: 'jwk' }))
  const { request } = connect({ MODE: 'mainnet', URL: url, signer })

  const ans104 = { method: 'POST', 'signing-format': 'ans104', target, 'Data-Protocol': 'ao' }
  const current = async () => {
    const answer = await request({ ...ans104, path: `/${target}/slot/current`, Type: 'Message' })
    assert.equal(answer.status, 200)
    return answer.text()
  }
  assert.equal(await current(), '0')

  const path = `/${target}/~scheduler@1.0/schedule`
  const written = await request({ ...ans104, path, Type: 'Message', Action: 'Ping', data: 'hi' })
  assert.equal(written.status, 200)
  assert.equal(await current(), '1')
  assert.equal(await current(), '1')

  const page = await json(`/~scheduler@1.0/schedule?target=${target}&from=1&to=1&accept=application%2Faos-2`)
  const [edge] = page.edges
  assert.equal(edge.cursor, 1)
  assert.equal(edge.node.message.Data, 'hi')
  const legacy = (await json(`/${target}?from-nonce=0`)).edges[0].node
  assert.equal(edge.node.message.Id, legacy.message.id)
  assert.equal(edge.node.assignment.Id, legacy.assignment.id)
  assert.deepEqual(edge.node.assignment.Tags, legacy.assignment.tags)
  console.log('aoconnect: as it must be')
} finally {
  node.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true })
}
