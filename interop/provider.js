// An OpenID provider that we did not write: npm's oidc-provider, over HTTPS. The test that starts it changes a person's groups and its
// keys while it runs, through /control. Usage: node provider.js PORT HOST CERT KEY REDIRECT_URI, with NPM naming node_modules.
const https = require("node:https");
const fs = require("node:fs");
const path = require("node:path");
const crypto = require("node:crypto");
const { pathToFileURL } = require("node:url");

const [port, host, cert, key, redirect] = process.argv.slice(2);
const issuer = `https://${host}:${port}`;
let groups = ["night"];
let keys = 0;

function signingKey() {
  keys += 1;
  const pair = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...pair.privateKey.export({ format: "jwk" }), kid: `key-${keys}`, use: "sig", alg: "RS256" };
}

async function main() {
  const file = path.join(process.env.NPM, "oidc-provider/lib/index.js");
  const { Provider, default: Default } = await import(pathToFileURL(file).href);
  const make = () => {
    const provider = new (Provider || Default)(issuer, {
      clients: [{
        client_id: "loudhailer", client_secret: "sample-client-secret", redirect_uris: [redirect],
        response_types: ["code"], grant_types: ["authorization_code"],
        post_logout_redirect_uris: [new URL("/signed-out", redirect).href],
        backchannel_logout_uri: redirect.replace(/callback$/, "back-channel-logout"),
        backchannel_logout_session_required: true,
      }],
      jwks: { keys: [signingKey()] },
      cookies: { keys: ["sample cookie key"] },
      scopes: ["openid", "profile", "email", "groups"],
      claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
      features: {
        devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true }, backchannelLogout: { enabled: true },
      },
      pkce: { required: () => true, methods: ["S256"] },
      findAccount: async (_, id) => ({
        accountId: id,
        claims: async () => ({
          sub: id, name: "Bea Sample", email: `${id}@example.com`, email_verified: true, groups,
        }),
      }),
    });
    return provider.callback();
  };
  let answer = make();
  const tls = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
  https.createServer(tls, (request, response) => {
    const url = new URL(request.url, issuer);
    if (url.pathname !== "/control") return answer(request, response);
    if (url.searchParams.has("groups")) groups = url.searchParams.get("groups").split(",").filter(Boolean);
    if (url.searchParams.has("rotate")) answer = make();
    return response.end("done");
  }).listen(Number(port), "127.0.0.1", () => console.log("ready"));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
