// What an application sees that uses a TypeScript SDK: node client.mjs SDK URL TOKEN '[["tool", {…}], …]'
// SDK is `sdk` (1.x), or `client` (2.x) with the protocol era: `client:legacy`, `client:auto`, `client:modern`.
const [sdk, url, token, calls] = process.argv.slice(2)
const requestInit = { headers: { Authorization: `Bearer ${token}` } }

async function connected() {
  const [name, era] = sdk.split(":")
  if (name === "sdk") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js")
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js")
    const client = new Client({ name: "test", version: "1" })
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
    return client
  }
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client")
  const mode = era === "modern" ? { pin: "2026-07-28" } : era
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
  return client
}

const client = await connected()
const shown = [(await client.listTools()).tools.map((tool) => tool.name)]
for (const [name, args] of JSON.parse(calls)) {
  try {
    shown.push(await client.callTool({ name, arguments: args }))
  } catch (error) {
    shown.push({ thrown: String(error) })
  }
}
await client.close()
console.log(JSON.stringify(shown))
