/** Answers that become files, while one sees how much has come. */

/** The whole body; `told` hears how many bytes there are so far.
 * @param {Response} response @param {(bytes: number) => void} told */
export async function received(response, told) {
  const parts = [];
  let bytes = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts, { type: response.headers.get("content-type") ?? "" });
    parts.push(value);
    told((bytes += value.length));
  }
}

export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
