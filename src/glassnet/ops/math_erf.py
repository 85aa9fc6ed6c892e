"""erf in the scalar language.

In: a builder and a number. Out: a number, within 2 units in the last place of the exact one.

Near 0, erf x = x + x·P(x²); further out 1 − exp(Q(|x|)), where Q is fitted to ln erfc.
"""

from __future__ import annotations

from typing import Any

from glassnet.ops.math_exp import exp_code, format_of, polynomial, with_sign

__all__ = ["erf_code"]

# P: error 2^-30 and 2^-62.7 relative to erf on [0, 0.95] and [0, 1]
NEAR = {
    "float32": (
        0.12837916612625122, -0.3761262893676758, 0.11283625662326813, -0.026855740696191788,
        0.0051924604922533035, -0.0008050804026424885, 8.002774848137051e-05,
    ),
    "float64": (
        0.1283791670955126, -0.376126389031841, 0.11283791670971086, -0.026866170648026835,
        0.005223977652632384, -0.0008548328531368429, 0.00012055385998801652,
        -1.49268760494376e-05, 1.6480960962812346e-06, -1.6555982475575316e-07,
        1.6004829031340893e-08, -1.6429813076874142e-09, 1.4280586360653106e-10,
    ),
}  # fmt: skip
# Q in powers of |x| − centre: error 2^-34.8 and 2^-54
FAR = {
    "float32": (
        0.00018221679783891886, -1.1295509338378906, -0.633274495601654, -0.10835947096347809,
        0.025170624256134033, -0.004190477542579174, 0.0004384687345009297,
        -2.1441892386064865e-05,
    ),
    "float64": (
        -14.112437402148188, -7.2660995883652, -0.9667530547410377, -0.005225658216143256,
        0.000873687328062617, -0.0001472978059935448, 2.438628383679939e-05,
        -3.889625878073555e-06, 5.857053055970856e-07, -8.045355267368992e-08,
        9.715784332741215e-09, -7.946193176207475e-10, -1.7491923437052908e-10,
        -9.172188857054788e-11, -4.3988147753977905e-11, 1.653505317170123e-11,
        1.7938554716252446e-11, 8.534750321753576e-12, 2.212536672588781e-12,
        3.327748409706827e-13, 2.267837365237675e-14,
    ),
}  # fmt: skip
CENTRE = {"float32": 0.0, "float64": 3.5}
BORDER = {"float32": 0.95, "float64": 1.0}
LIMIT = {"float32": 4.0, "float64": 6.0}


def erf_code(b: Any, x: Any) -> Any:
    kind = x.dtype
    size = b.abs(x)
    size = b.select(size > LIMIT[kind], LIMIT[kind], size)
    near = b.fma(polynomial(b, x * x, NEAR[kind]), size, size)
    far = 1.0 - exp_code(b, polynomial(b, size - CENTRE[kind], FAR[kind]))
    return with_sign(b, b.select(size < BORDER[kind], near, far), x, format_of(x))
