import type { Browser } from "@playwright/test";
export const executablePath: string | undefined;
export const args: string[];
export function launch(): Promise<Browser>;
