// Opens keep-alive connections, asks once on each and then only holds them:
//   node idle-client.js PORT COUNT PATH
// Prints `open N` when all have had their answer, then `left N` when its input ends. Own process, so
// that its memory and CPU are not the bench's.

import { connect } from 'node:net'
import type { Socket } from 'node:net'

const [port = '0', count = '0', path = '/'] = process.argv.slice(2)
const request = `GET ${path} HTTP/1.1\r\nHost: bench.example.com\r\n\r\n`
const total = Number(count)
const atOnce = 100
const held = new Set<Socket>()
let started = 0
let finished = 0

function openNext(): void {
  if (started === total) return
  started++
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
  let answered = false
  held.add(socket)
  const finish = (): void => {
    if (answered) return
    answered = true
    finished++
    if (finished === total) console.log(`open ${held.size}`)
    else openNext()
  }
  socket.on('connect', () => socket.write(request))
  socket.on('data', finish)
  socket.on('error', () => {})
  socket.on('close', () => {
    held.delete(socket)
    finish()
  })
}

for (let opening = 0; opening < Math.min(atOnce, total); opening++) openNext()
process.stdin.resume().on('end', () => {
  console.log(`left ${held.size}`)
  process.exit(0)
})
