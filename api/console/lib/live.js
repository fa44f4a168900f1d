/** The one live connection of this page, and how it is. */

import { connect } from "../client/formula.js";
import { out, session, token } from "./session.js";
import { Store } from "./store.js";

export const connection = new Store({ state: "closed", queued: 0 });

let formula;
let whose;

export const live = () => formula;

export const leave = (room) => live()?.leave(room).catch(() => {});

session.on(({ state, me }) => {
  if (state === "in" && me.id === whose) return;
  formula?.close();
  formula = undefined;
  whose = me?.id;
  if (state === "in") open();
});

function open() {
  const opened = (formula = connect({ token, device: "console" }));
  opened.on("state", (told) => {
    if (opened !== formula) return;
    connection.set(told);
    // it is over, and not by us: the log-in has ended, or its rights have
    if (told.state === "closed" && told.error?.code !== "client.closed") out(told.error?.code);
  });
}
