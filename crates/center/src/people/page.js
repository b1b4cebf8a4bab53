'use strict';
const at = (id) => document.getElementById(id);
const to64 = (octets) => btoa(String.fromCharCode(...new Uint8Array(octets)))
  .replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
const from64 = (text) => Uint8Array.from(
  atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
let proof = '';

// One request to our own listener; what it refuses is said in both languages.
async function ask(method, path, body) {
  const headers = { 'iryonet-page': proof };
  if (body) headers['content-type'] = 'application/json';
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.detail_ja ?? ''} ${answer.detail ?? response.status} [${answer.code ?? ''}]`);
  if (answer.page_proof) proof = answer.page_proof;
  return answer;
}

const role = () => at('role').value.trim() || undefined;

async function inside(session) {
  at('own').hidden = false;
  at('enter').hidden = true;
  const keys = await ask('GET', '/v1/me/passkeys');
  at('passkeys').replaceChildren(...keys.map((key) => {
    const line = document.createElement('li');
    line.textContent = key.name;
    line.dataset.id = key.id;
    const away = document.createElement('button');
    away.textContent = '削除 / Remove';
    away.addEventListener('click', () => doing(() => remove(key.id)));
    line.append(' ', away);
    return line;
  }));
  return `${session.person} (${session.role}, ${session.method})`;
}

async function byPassword() {
  return inside(await ask('POST', '/v1/login', {
    account: at('account').value, password: at('password').value, totp: at('totp').value, role: role(),
  }));
}

async function byPasskey() {
  const begun = await ask('POST', '/v1/login/passkey/begin', {});
  const shown = await navigator.credentials.get({ publicKey: {
    ...begun.options, challenge: from64(begun.options.challenge),
  } });
  const made = shown.response;
  return inside(await ask('POST', '/v1/login/passkey', {
    account: at('account').value, ceremony: begun.ceremony, id: to64(shown.rawId),
    user_handle: made.userHandle ? to64(made.userHandle) : undefined,
    client_data_json: to64(made.clientDataJSON), authenticator_data: to64(made.authenticatorData),
    signature: to64(made.signature), role: role(),
  }));
}

async function register() {
  const begun = await ask('POST', '/v1/me/passkeys/begin', { password: at('once-more').value || undefined });
  const options = begun.options;
  const made = await navigator.credentials.create({ publicKey: {
    ...options, challenge: from64(options.challenge),
    user: { ...options.user, id: from64(options.user.id) },
    excludeCredentials: options.excludeCredentials.map((one) => ({ ...one, id: from64(one.id) })),
  } });
  return inside(await ask('POST', '/v1/me/passkeys', {
    ceremony: begun.ceremony, name: at('name').value,
    client_data_json: to64(made.response.clientDataJSON),
    attestation_object: to64(made.response.attestationObject),
  }));
}

async function remove(id) {
  return inside(await ask('POST', `/v1/me/passkeys/${id}/remove`, { password: at('once-more').value }));
}

async function leave() {
  await ask('POST', '/v1/logout', {});
  at('own').hidden = true;
  at('enter').hidden = false;
  return 'ログアウトしました / Logged out';
}

// What a person began, and how it ended.
async function doing(what) {
  at('said').textContent = '';
  try {
    at('said').textContent = await what();
  } catch (error) {
    at('said').textContent = `× ${error.message}`;
  }
}

at('enter').addEventListener('submit', (event) => { event.preventDefault(); doing(byPassword); });
at('by-passkey').addEventListener('click', () => doing(byPasskey));
at('register').addEventListener('click', () => doing(register));
at('leave').addEventListener('click', () => doing(leave));
ask('GET', '/v1/me').then(inside).then((text) => { at('said').textContent = text; }, () => {});
