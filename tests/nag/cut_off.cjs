// Loaded into the Node process of the CDK: no connection can be opened, and the clock is a year ahead.
const net = require("net");

net.Socket.prototype.connect = () => {
  throw new Error("synthesis opened a socket");
};

const YEAR = 365 * 24 * 3600 * 1000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length ? args : [RealDate.now() + YEAR]));
  }
  static now() {
    return RealDate.now() + YEAR;
  }
};
