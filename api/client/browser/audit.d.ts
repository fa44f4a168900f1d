/** Exports of the audit, as `GET /api/v1/audit/export` makes them.
 *
 * ```js
 * import { checkExport } from "/client/audit.js";
 *
 * const { manifest, altered } = await checkExport(input.files[0]);
 * ```
 *
 * It needs a secure context, as all of WebCrypto does, and as much memory as there are rows.
 */

export interface Manifest {
  /** Of the rows, beside the manifest in the zip. */
  file: string;
  filter: { [name: string]: string };
  /** Position up to which was looked. */
  head: number;
  count: number;
  first: number | null;
  last: number | null;
  sha256: string;
  exported_at: string;
  exported_by: string | null;
  /** Who signed: compare it with the one that you have noted. */
  public_key: string;
  signature: string;
}

export interface Checked {
  manifest: Manifest;
  /** What is not as the key's holder signed it: a file's name, or `files` where there are others.
   * Undefined: nothing. */
  altered?: string;
}

/** Rejected for what is no export. */
export function checkExport(file: Blob): Promise<Checked>;
