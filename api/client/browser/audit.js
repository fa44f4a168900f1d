/** Exports of the audit: whole, and as they were signed? Types and their meaning: audit.d.ts. */

const END = 22; // bytes of the record that ends a zip
const MANIFEST = "manifest.json";

export async function checkExport(file) {
  const entries = await listed(file);
  const { signature, ...said } = JSON.parse(new TextDecoder().decode(await read(entries.get(MANIFEST))));
  const manifest = { ...said, signature };
  if (entries.size !== 2 || !entries.has(said.file)) return { manifest, altered: "files" };
  const key = await crypto.subtle.importKey("raw", bytes(said.public_key), "Ed25519", false, ["verify"]);
  const plain = new TextEncoder().encode(JSON.stringify({ ...said, signature: "" }));
  if (!(await crypto.subtle.verify("Ed25519", key, bytes(signature), plain))) return { manifest, altered: MANIFEST };
  const sum = await crypto.subtle.digest("SHA-256", await read(entries.get(said.file)).catch(() => new Uint8Array()));
  return hex(sum) === said.sha256 ? { manifest } : { manifest, altered: said.file };
}

/** By name, the part of the file that each entry is, as the directory at a zip's end says. */
async function listed(file) {
  const all = new DataView(await file.arrayBuffer());
  const end = all.byteLength - END;
  const entries = new Map();
  for (let at = all.getUint32(end + 16, true); at < end; ) {
    const [method, name, extra] = [10, 28, 30].map((field) => all.getUint16(at + field, true));
    const [size, start] = [20, 42].map((field) => all.getUint32(at + field, true));
    const begin = start + 30 + all.getUint16(start + 26, true) + all.getUint16(start + 28, true);
    const part = file.slice(begin, begin + size);
    entries.set(new TextDecoder().decode(new Uint8Array(all.buffer, at + 46, name)), { part, packed: method > 0 });
    at += 46 + name + extra;
  }
  return entries;
}

function read({ part, packed }) {
  const content = packed ? part.stream().pipeThrough(new DecompressionStream("deflate-raw")) : part;
  return new Response(content).arrayBuffer();
}

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
