// Conversions, which have an instance of their own: one that traps is refused, and costs nobody else anything.
import { convert, DownshiftError } from "downshift-oci/pull";

export function conversions(signer) {
  return {
    async convert(effect) {
      try {
        return { done: "converted", ...(await convert(effect, signer)) };
      } catch (error) {
        if (!(error instanceof DownshiftError)) throw error;
        const { code, fault, cause, remedy } = error;
        console.error(`${code}: ${cause}`);
        return { done: "converted", refused: { code, fault, cause, remedy } };
      }
    },
  };
}
