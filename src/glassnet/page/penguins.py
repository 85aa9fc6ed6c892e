"""The penguins data set: four measurements of 342 penguins of three species, Palmer Station.

In: nothing. Out: a table of the page, scaled as `glassnet fit` scales it. The data are those of
palmerpenguins (Gorman, Williams and Fraser, 2014; licence CC0 1.0), without the two birds that have
no measurements.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np

from glassnet.page.point_sets import PageTable
from glassnet.tables.encode import NumberEncoder
from glassnet.tables.table import Numbers

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
# column, smallest number, and the unit of the numbers below in mm or g
MEASURES = (
    ("bill length", 300, 0.1),
    ("bill depth", 100, 0.1),
    ("flipper", 150, 1.0),
    ("body mass", 100, 25.0),
)

# 16-bit integers, measurement by measurement, then the species; compressed by zlib, as base 85.
_PACKED = (
    "c-rlj+i%oG6vw~C7oP}5MN%uhZnt~iZnw1E-QJh&E-l+_p=H|wZJ}1A6%Z<^6-(7x3<0AL2qGvTpcqgz!FY>^D1w53"
    "M2Qhej6Ug`KKkNk2LA!yOth2po0&7;bIy0pnVD^$`t^XCwL(2wE|<oYrma`E{A$uNJua^fpjoV_I+azW*6KmEBmGJu"
    "52*pWtR~c^Rch3zV%n*M2Jq3!_%TNJD}-O4HmVovMvygnnD2UQ$5cfh)n*lI5bVp$r|_CoogRh56L70g3Vgj5Y6&cB"
    "z?XrnBUT68^EHkCbudiBYY^t0=%<l=%qBo?MVGR6b)bgf5r#)ro8YrkU3yA!xOT8!&1wRxVb<@~2v)u9u8Do5kxe?N"
    "^ZF1usUzB}*YvbrhwI0BN$<h@47>b9hd_L(-5_3t{Xspicl0hcC)n3+mF1iUJE`Zi1Kd`9rWcV*dIletv`c$*RPTek"
    "fc*>Fj&@oX!5q?l{XvX#jLvGCF6(U_#_tinALuPz!*Y*K>nFWQtX;aI8GVcXN8~16&cfr0KGiXzUn9b8Imbbtfd3=<"
    "m3^Ed`Z@ew$N!&TKhkm5F5>eGVw}g<Uj5AMAfp4wQGKsBbVILT_m$@59A@WR@H?%q$;%D2XJPgW+4-F_^o>4;$4T_Z"
    "^c(p)q^oec3Zo0mt`qr`zGH`%!QLdw88Wy}KfqwWX60-nLs!r&(;{U!scWgm0QDMH3l(b91}c}PQX^VQjh290&T5jg"
    "(#?tJrf+7RrcZzzqT(ymho_~C202w(Y<oa%;B=V2A9Ob-B1`4_SYMA_C$Tb|pFVUe!7sJ`Tk#NQUW+~nlPu#jXR;rA"
    "b1O1<YC%$#OBc8<{10)KhAgineFATd*eu3s1ojE;R)W<e_bCBB%6c1m6Tcm=U9>hLw{ou<(X@c90vTuD-SA4=m|ZI1"
    "#<)1?K5mwudt0Oha=^gB%+GBowrdsg@bxLeJu>4EQb}{8ODKpB2kcA0J7Dc#Jt`+HszPksMDU{X;@e5@!?IN6jB8kn"
    "qpzb6(W+@d`WW+iFb!a<;Spt=0_WyVCs=PmU#kH25mvqIFoeE}Z>iNsz*WFJikSVyK-R&_LmvcTs<)g>tRfGcv>vUt"
    "6-n8w43O`%eIZih&s4JA*0LAv5c5$^N|yCF`5s}u8gH%CHUZ95ZUE0IxcBlMM6woRs@@ON1W`Ni-3uz8ocUl?#^_dG"
    "qWRRs1<PVI0qWt^JakUx^VvZmGM7;vt&~+C`!8dj&$xhD3G-q!1-g%~i+L%12rD!8fb&|<#pJTc*3Ya5kuod;e0?B`"
    "!25{lw>dM_E3@@1BcD~+mY|PVi#&X|sb?WG4|e5tF9AHdm<Ra!|E{$Yo1k*>P{Q10<HSG*z?HLR*oN@!p*buox7|sR"
    "&5VP3)^fIEWWAAZEjKR8sDa!zP~#XiiBY>K=iDIb5!0G1I)OGy?K6xL_BSG8oB8c&V$ImLS{s8k<7WDZl|@JkF*>ly"
    "(6^&aVbwxwrqAFxfn|yl)`BcT(r}2=XZWVAu7TTVB30shA-YE77B|Bs%DA2Q89W+Ef^W3HZuMlr&;CnoPV@Ns=smWI"
    "750<|$hWClKKXOldm6BJ$wj41)*Qt2kzt>`RaN$W`fW4zb+#(y_EuLiHWjO+Mqcin6Pp^w9&F6540Fy(vGZ|qo$R^5"
    "G77V^Ao>hvAWm()Xd+0MXnE8-f>kxxYSx?VYf!-5$z?td%e%N&4&8};6Ks<7b((`eH}<oMnG43e53{i>A}e#ro8jgL"
    "AGB|e8OMl}#UgIcbQn(&`&uO7lO|pg+#>uou+tvhgWVnW#i`c4+}lbx<Wak7vOR}P6u~qXAEjh#F23`zH+`YKCGGGv"
    "c2RsM5GQNp?8DE@iA{)DF|sj5<SG7h>ExvuWfyDN^#n2l%Nf}3LBA2i5NpGH*T8NPCKLRZl11|@7Gt~>>tMc-{Y=54"
    "*Z!vxN56*Op_ND*mII)Z_RX4L&FCiaFh#6s`#)E&^*+jY8vi?(Z|9xbOeW0#T3gU<;ANU1))@0i{EqT&^@CZ*cnfdW"
    "IM{LQ$9eI_@wOe`<DBFfP&>e`)RWkZksb3|yU2&BddSu&Oh$uL(1R4%lVU1bLZ-van;3=Bc2a?)t+1)?0&;UZIW(`k"
    "+rANLa7lay>@SKr5k+{KPah^;#GdCEm<l{p=>NZe@;B>0*>e6R?JuoewaE"
)


def penguins() -> PageTable:
    """Return four measurements, and the species as the target."""
    whole = np.frombuffer(zlib.decompress(base64.b85decode(_PACKED)), "<u2").reshape(5, -1)
    x = [
        _scaled(column, least, unit)
        for column, (_, least, unit) in zip(whole, MEASURES, strict=False)
    ]
    names = tuple(name for name, _, _ in MEASURES)
    y = whole[4].astype(np.float32)
    return PageTable("penguins", np.stack(x, 1), y, names, "species", SPECIES, built_in=True)


def _scaled(column: np.ndarray, least: int, unit: float) -> np.ndarray:
    numbers = Numbers((column + float(least)) * unit, np.zeros(len(column), bool))
    encoder = NumberEncoder.fit("", numbers, np.arange(len(column)))
    return encoder.encode(numbers).x[:, 0].astype(np.float32)
