/** Fewest and most characters of a password, as the server has them. */
export const MIN_PASSWORD = 8;
export const MAX_PASSWORD = 256;
