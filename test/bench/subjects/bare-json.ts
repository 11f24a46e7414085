/** The limit of ingest: a bare Bun.serve that parses the JSON it gets. */
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const body: unknown = await request.json();
    return Response.json({ accepted: Array.isArray(body) ? body.length : 1 });
  },
});
process.stdout.write(`${server.port}\n`);
