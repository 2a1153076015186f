// Where is the hub, where is its cache, and who asks? The environment variables of its Python client say so.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { isCode } from '../files/disk.js';

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Folder with a folder models--owner--name for each repository. */
  readonly cache: string;
  readonly offline: boolean;
  readonly token: Token | undefined;
  /** How long nothing may arrive until a request counts as broken. */
  readonly patienceMs: number;
}

export interface Token {
  readonly value: string;
  /** Where it was found, in words. */
  readonly from: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** @throws UserError if a variable or the token file holds something unusable */
export async function hubSettings(env: Env = process.env): Promise<HubSettings> {
  const hubHome =
    home(env.HF_HOME) ?? join(home(env.XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: endpointOf(env.HF_ENDPOINT || 'https://huggingface.co'),
    cache: home(env.HF_HUB_CACHE) ?? home(env.HUGGINGFACE_HUB_CACHE) ?? join(hubHome, 'hub'),
    offline: isOn(env.HF_HUB_OFFLINE),
    token: isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : await tokenOf(env, hubHome),
    patienceMs: 1000 * secondsOf(env.HF_HUB_DOWNLOAD_TIMEOUT, 30),
  };
}

/** A path with ~ spelt out; undefined if there is none. */
function home(path: string | undefined): string | undefined {
  return path ? path.replace(/^~(?=$|[\\/])/, homedir()) : undefined;
}

function isOn(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase());
}

function secondsOf(text: string | undefined, otherwise: number): number {
  const seconds = Number(text || otherwise);
  if (seconds > 0 && seconds <= 3600) return seconds;
  throw new UserError(
    `HF_HUB_DOWNLOAD_TIMEOUT is ${text}, expected seconds from 1 to 3600. Change it or leave it out.`,
  );
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new UserError(
      `HF_ENDPOINT is ${JSON.stringify(text)}, expected an address such as https://huggingface.co. Change it or leave it out.`,
    );
  return url.href.replace(/\/+$/, '');
}

async function tokenOf(env: Env, hubHome: string): Promise<Token | undefined> {
  const variable = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'].find((name) => env[name]?.trim());
  if (variable !== undefined) return checked(env[variable] ?? '', variable);
  const file = home(env.HF_TOKEN_PATH) ?? join(hubHome, 'token');
  try {
    return checked(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    throw new UserError(
      `the token of the hub in ${file} cannot be read (${messageOf(error)}). Mend or remove it.`,
    );
  }
}

/** The token itself is never shown. */
function checked(text: string, from: string): Token | undefined {
  const value = text.trim();
  if (value === '') return undefined;
  if (/^[\x21-\x7e]{1,1000}$/.test(value)) return { value, from };
  throw new UserError(
    `the token of the hub in ${from} holds characters that no token has. Put the token there and nothing else.`,
  );
}
