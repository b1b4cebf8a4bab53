// An OpenID provider for the tests: `oidc-provider`, which is certified by the
// OpenID Foundation, under TLS on a port of its own. Who comes to it and what
// they show is said by lines on its standard input, each answered by one line:
//   {"person": {"sub": "...", "amr": [...], "acr": "..."}}
//   {"refuse": true}          the person says no
//   {"rotate": true}          new keys; the old ones are gone
// Arguments: the module's folder, key file, certificate file, redirect address.
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

// The provider has notices for whoever develops with it, and prints them where
// only our answers may stand.
const answer = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
console.info = console.error;

const [folder, keyFile, certificateFile, redirect] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`));

let person = null;
let refuses = false;
let serial = 0;
let handler = null;

const server = createServer(
  { key: readFileSync(keyFile), cert: readFileSync(certificateFile), minVersion: 'TLSv1.2' },
  (request, response) => handler(request, response),
);
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `https://localhost:${server.address().port}`;

function drawKeys() {
  serial += 1;
  const jwk = (kind, options, alg) => ({
    ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }),
    alg, use: 'sig', kid: `${alg}-${serial}`,
  });
  return { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] };
}

function begin() {
  const provider = new Provider(issuer, {
    clients: [
      { client_id: 'iryonet', client_secret: 'a secret: of/the+center', redirect_uris: [redirect] },
      { client_id: 'iryonet-es', client_secret: 'another', redirect_uris: [redirect], id_token_signed_response_alg: 'ES256' },
      { client_id: 'iryonet-public', token_endpoint_auth_method: 'none', redirect_uris: [redirect] },
    ],
    jwks: drawKeys(),
    cookies: { keys: ['for the tests'] },
    pkce: { required: () => true, methods: ['S256'] },
    features: { devInteractions: { enabled: false } },
    claims: { openid: ['sub', 'amr'], acr: null, auth_time: null },
    acrValues: ['urn:example:mfa', 'urn:example:password'],
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, email: 'kuroda@example.jp' }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    async loadExistingGrant(context) {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client.clientId,
        accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  const serve = provider.callback();
  handler = async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return serve(request, response);
    try {
      const result = refuses
        ? { error: 'access_denied', error_description: 'the person says no' }
        : {
            login: {
              accountId: person.sub, amr: person.amr, acr: person.acr, remember: false,
            },
          };
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    }
  };
}

begin();
answer({ issuer });
for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  refuses = said.refuse === true;
  if (said.person) person = said.person;
  if (said.rotate) begin();
  answer({ done: true });
}
process.exit(0);
