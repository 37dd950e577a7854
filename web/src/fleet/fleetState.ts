import type { EdgeDevice } from "../api/types";

/** New, whitelisted, bootstrapped, online: how far a device has come, as 1 to 4. */
export function deviceStep(device: Pick<EdgeDevice, "state" | "bootstraps" | "online">): 1 | 2 | 3 | 4 {
  if (device.online) return 4;
  if (Number(device.bootstraps) > 0) return 3;
  return device.state === "ACTIVE" ? 2 : 1;
}

export type DeviceWord = "new" | "whitelisted" | "bootstrapped" | "offline" | "online";

/** A device that was online once and is silent is offline, which is worse than never having been. */
export function deviceWord(device: Pick<EdgeDevice, "state" | "bootstraps" | "online" | "lastSeen">): DeviceWord {
  const step = deviceStep(device);
  if (step === 4) return "online";
  if (device.lastSeen !== null) return "offline";
  return step === 3 ? "bootstrapped" : step === 2 ? "whitelisted" : "new";
}
