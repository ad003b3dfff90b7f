// The suite sends no credentials. Preloaded into its process, this adds a token to every request, whichever client makes it.
const channels = require("node:diagnostics_channel");
const authorization = `Bearer ${process.env.CONFORMANCE_TOKEN}`;
channels.subscribe("undici:request:create", ({ request }) => request.addHeader("authorization", authorization));
channels.subscribe("http.client.request.created", ({ request }) => request.setHeader("authorization", authorization));
