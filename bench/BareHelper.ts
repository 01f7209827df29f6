/**
 * The smallest temporary service that runs a command: no Effect and no secret. It creates the service, waits for the first line of its log
 * and removes it.
 *
 * Arguments: the manager's socket, an image by digest, the node's ID, a file, and the command that prints the line. The program appends to
 * the file the milliseconds from its own start to the first line.
 */
import { appendFileSync } from "node:fs"
import * as http from "node:http"

const [socketPath = "", image = "", node = "", file = "", ...command] = process.argv.slice(2)

const specification = {
  Name: `bare-helper-${process.pid}`,
  TaskTemplate: {
    ContainerSpec: { Image: image, Command: command },
    RestartPolicy: { Condition: "none" },
    Placement: { Constraints: [`node.id==${node}`] },
    Networks: [{ Target: "host" }],
    LogDriver: { Name: "json-file" }
  },
  Mode: { Replicated: { Replicas: 1 } },
  EndpointSpec: { Mode: "dnsrr" }
}

const call = (method: string, path: string, body?: string): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = { Host: "engine", "Content-Type": "application/json" }
    const request = http.request({ socketPath, method, path, headers }, (response) => {
      const { statusCode = 0 } = response
      if (statusCode < 300) return resolve(response)
      response.resume()
      reject(new Error(`${method} ${path}: status ${statusCode}`))
    })
    request.on("error", reject)
    request.end(body)
  })

const text = async (response: http.IncomingMessage): Promise<string> => {
  let all = ""
  for await (const chunk of response.setEncoding("utf8")) all += chunk
  return all
}

/** Follows the log until data arrives. Returns false after a second without any: a follow can miss a task that has just started. */
const firstLine = async (service: string): Promise<boolean> => {
  const log = await call("GET", `/services/${service}/logs?stdout=1&stderr=1&follow=1`)
  return new Promise((resolve, reject) => {
    const done = (seen: boolean) => {
      clearTimeout(timer)
      log.destroy()
      resolve(seen)
    }
    const timer = setTimeout(done, 1000, false)
    log.once("data", () => done(true))
    log.on("error", reject)
  })
}

const created: unknown = JSON.parse(await text(await call("POST", "/services/create", JSON.stringify(specification))))
if (typeof created !== "object" || created === null || !("ID" in created)) throw new Error("the engine gave no ID")
const service = String(created.ID)
try {
  for (let tries = 1; !(await firstLine(service)); tries++)
    if (tries === 20) throw new Error("the helper's log stays empty")
  appendFileSync(file, `${performance.now()}\n`)
} finally {
  await text(await call("DELETE", `/services/${service}`))
}
