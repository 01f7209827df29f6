import { connect, createServer, type Socket } from "node:net"
import { PassThrough } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { joinStreams } from "../../../adapters/helper/joinStreams.ts"

/** Both ends of a connection. `near` closes its own side when the other one closes, as Node's sockets do by default. */
const connected = async () => {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const address = server.address()
  assert(typeof address === "object" && address !== null)
  const accepted = new Promise<Socket>((done) => server.once("connection", done))
  const near = connect(address.port, "127.0.0.1")
  const far = await accepted
  server.close()
  return { near, far }
}

describe("joinStreams", () => {
  it("forwards all bytes in both directions, and both ends", async () => {
    const { far, near } = await connected()
    const [input, output] = [new PassThrough(), new PassThrough()]
    input.pause()
    joinStreams(input, output, near)
    let there = 0
    far.on("data", (chunk: Buffer) => {
      there += chunk.length
    })
    const ended = new Promise((done) => far.once("end", done))
    for (let at = 0; at < 100; at++) input.write(Buffer.alloc(50_000, at))
    input.end()
    await ended
    assert.strictEqual(there, 5_000_000)
    far.end("answer")
    assert.strictEqual(Buffer.concat(await output.toArray()).toString(), "answer")
  })

  it("forwards the last bytes of a side that still receives", async () => {
    const { far, near } = await connected()
    const [input, output] = [new PassThrough(), new PassThrough({ highWaterMark: 1 })]
    const errors: Array<Error> = []
    near.on("error", (error) => errors.push(error))
    joinStreams(input, output, near)
    far.resume()
    const ended = new Promise((done) => near.once("end", done))
    const passedOn = new Promise((done) => output.once("end", done))
    far.end(Buffer.alloc(1_000_000, 1))
    const arrived: Array<Buffer> = []
    output.on("data", (chunk: Buffer) => {
      arrived.push(chunk)
      input.write("more")
    })
    await ended
    for (let times = 0; times < 10; times++) input.write("and more")
    await passedOn
    // Streams emit errors after everything else.
    await new Promise((done) => setImmediate(done))
    assert.strictEqual(Buffer.concat(arrived).length, 1_000_000)
    assert.deepStrictEqual(errors, [])
  })
})
