"""Loop nests to machine code; the only folder that knows LLVM."""
