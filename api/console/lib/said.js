/** Refusals in words. A code without words of its own is shown as it is: operators know them. */

const WORDS = {
  "access.denied": "You may not do that.",
  "auth.bad_credentials": "Wrong e-mail or password.",
  "auth.deactivated": "This account is deactivated.",
  "auth.signed_out": "You were signed out.",
  "auth.expired": "Your session has ended.",
  "auth.token_reused": "Your session was ended, since its token was used twice.",
  "client.offline": "Formula cannot be reached.",
  "client.dropped": "The connection dropped.",
  "client.ended": "The server ended the connection.",
  "lock.held": "Somebody else is editing this.",
  "lock.lost": "Your hold on this field has ended; nothing was saved.",
  "project.not_found": "There is no such project, or it is not yours to see.",
  "rate.limited": "Too much at once; try again in a moment.",
  "replay.not_created_yet": "The project was not there yet.",
  "replay.not_yet": "That is yet to come.",
  "request.invalid": "That is not valid.",
  "server.failed": "Something went wrong on the server.",
  "store.unavailable": "The database is away; try again in a moment.",
  "task.not_found": "There is no such task.",
  "document.not_found": "There is no such document.",
};

export function said(error) {
  const code = error?.code ?? error;
  return WORDS[code] ?? (error?.code ? `Refused: ${code}` : "Something went wrong on this page.");
}
