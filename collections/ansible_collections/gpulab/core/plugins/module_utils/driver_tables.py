# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""NVIDIA GPUs and driver branches: what drives what, until when, for which CUDA and kernels. Python 3.6+.

Plain data, dated. Read it through driver_catalogue.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DATE = "2026-11-22"
SOURCES = (
    "NVIDIA/nvidia-installer nvGpus.h (MIT): last branch of each legacy id, flags of the open module",
    "NVIDIA supported-gpus.json of 615.71.09: the ids that end with branch 580 (altered: ids only)",
    "Debian nvidia-detect 470, 535 and 550: cross-check of both, first branches",
    "pci.ids 2026-10-24: names, id ranges of the architectures",
    "docs.nvidia.com/datacenter/tesla/drivers, supported drivers and CUDA toolkit versions (2026-09-09): life cycle",
    "docs.nvidia.com CUDA toolkit release notes, tables 2 and 3: least driver of each CUDA",
    "nixpkgs, Gentoo and Debian change logs, README of open-gpu-kernel-modules: kernels that a branch builds on",
    "vantage-sh/ec2instances.info at 4ef36cd2 and AWS DescribeInstanceTypes: GPUs of the EC2 types",
)

# The last branch that drives a GPU: branch: PCI device ids (vendor 10de). All 879 legacy ids that NVIDIA lists.
# GRID K1, K2 and K340 end with 367 although their architecture lasted until 470: NVIDIA lists them so.
LEGACY = {
    "71": "0020 0028 0029 002c 002d 00a0 0100 0101 0103 0150 0151 0152 0153",
    "96": (
        "0110 0111 0112 0113 0170 0171 0172 0173 0174 0175 0176 0177 0178 0179 017a 017c 017d 0181 0182 0183 0185 "
        "0188 018a 018b 018c 01a0 01f0 0200 0201 0202 0203 0250 0251 0253 0258 0259 025b 0280 0281 0282 0286 0288 "
        "0289 028c"
    ),
    "173": (
        "00fa 00fb 00fc 00fd 00fe 0301 0302 0308 0309 0311 0312 0314 031a 031b 031c 0320 0321 0322 0323 0324 0325 "
        "0326 0327 0328 032a 032b 032c 032d 0330 0331 0332 0333 0334 0338 033f 0341 0342 0343 0344 0347 0348 034c "
        "034e"
    ),
    "304": (
        "0040 0041 0042 0043 0044 0045 0046 0047 0048 004e 0090 0091 0092 0093 0095 0098 0099 009d 00c0 00c1 00c2 "
        "00c3 00c8 00c9 00cc 00cd 00ce 00f1 00f2 00f3 00f4 00f5 00f6 00f8 00f9 0140 0141 0142 0143 0144 0145 0146 "
        "0147 0148 0149 014a 014c 014d 014e 014f 0160 0161 0162 0163 0164 0165 0166 0167 0168 0169 016a 01d0 01d1 "
        "01d2 01d3 01d6 01d7 01d8 01da 01db 01dc 01dd 01de 01df 0211 0212 0215 0218 0221 0222 0240 0241 0242 0244 "
        "0245 0247 0290 0291 0292 0293 0294 0295 0297 0298 0299 029a 029b 029c 029d 029e 029f 02e0 02e1 02e2 02e3 "
        "02e4 038b 0390 0391 0392 0393 0394 0395 0397 0398 0399 039c 039e 03d0 03d1 03d2 03d5 03d6 0531 0533 053a "
        "053b 053e 07e0 07e1 07e2 07e3 07e5"
    ),
    "340": (
        "0191 0193 0194 0197 019d 019e 0400 0401 0402 0403 0404 0405 0406 0407 0408 0409 040a 040b 040c 040d 040e "
        "040f 0410 0420 0421 0422 0423 0424 0425 0426 0427 0428 0429 042a 042b 042c 042d 042e 042f 05e0 05e1 05e2 "
        "05e3 05e6 05e7 05ea 05eb 05ed 05f8 05f9 05fd 05fe 05ff 0600 0601 0602 0603 0604 0605 0606 0607 0608 0609 "
        "060a 060b 060c 060d 060f 0610 0611 0612 0613 0614 0615 0617 0618 0619 061a 061b 061c 061d 061e 061f 0621 "
        "0622 0623 0625 0626 0627 0628 062a 062b 062c 062d 062e 0630 0631 0632 0635 0637 0638 063a 0640 0641 0643 "
        "0644 0645 0646 0647 0648 0649 064a 064b 064c 0651 0652 0653 0654 0655 0656 0658 0659 065a 065b 065c 06e0 "
        "06e1 06e2 06e3 06e4 06e5 06e6 06e7 06e8 06e9 06ea 06eb 06ec 06ef 06f1 06f8 06f9 06fa 06fb 06fd 06ff 0840 "
        "0844 0845 0846 0847 0848 0849 084a 084b 084c 084d 084f 0860 0861 0862 0863 0864 0865 0866 0867 0868 0869 "
        "086a 086c 086d 086e 086f 0870 0871 0872 0873 0874 0876 087a 087d 087e 087f 08a0 08a2 08a3 08a4 08a5 0a20 "
        "0a22 0a23 0a26 0a27 0a28 0a29 0a2a 0a2b 0a2c 0a2d 0a32 0a34 0a35 0a38 0a3c 0a60 0a62 0a63 0a64 0a65 0a66 "
        "0a67 0a68 0a69 0a6a 0a6c 0a6e 0a6f 0a70 0a71 0a72 0a73 0a74 0a75 0a76 0a78 0a7a 0a7c 0ca0 0ca2 0ca3 0ca4 "
        "0ca5 0ca7 0ca8 0ca9 0cac 0caf 0cb0 0cb1 0cbc 10c0 10c3 10c5 10d8"
    ),
    "367": "0fef 0ff2 11bf",
    "390": (
        "06c0 06c4 06ca 06cd 06d1 06d2 06d8 06d9 06da 06dc 06dd 06de 06df 0dc0 0dc4 0dc5 0dc6 0dcd 0dce 0dd1 0dd2 "
        "0dd3 0dd6 0dd8 0dda 0de0 0de1 0de2 0de3 0de4 0de5 0de7 0de8 0de9 0dea 0deb 0dec 0ded 0dee 0def 0df0 0df1 "
        "0df2 0df3 0df4 0df5 0df6 0df7 0df8 0df9 0dfa 0dfc 0e22 0e23 0e24 0e30 0e31 0e3a 0e3b 0f00 0f01 0f02 0f03 "
        "1040 1042 1048 1049 104a 104b 104c 1050 1051 1052 1054 1055 1056 1057 1058 1059 105a 105b 107c 107d 1080 "
        "1081 1082 1084 1086 1087 1088 1089 108b 1091 1094 1096 109a 109b 1140 1200 1201 1203 1205 1206 1207 1208 "
        "1210 1211 1212 1213 1241 1243 1244 1245 1246 1247 1248 1249 124b 124d 1251"
    ),
    "470": (
        "0fc6 0fc8 0fc9 0fcd 0fce 0fd1 0fd2 0fd3 0fd4 0fd5 0fd8 0fd9 0fdf 0fe0 0fe1 0fe2 0fe3 0fe4 0fe9 0fea 0fec "
        "0fed 0fee 0ff6 0ff8 0ff9 0ffa 0ffb 0ffc 0ffd 0ffe 0fff 1001 1004 1005 1007 1008 100a 100c 1021 1022 1023 "
        "1024 1026 1027 1028 1029 102a 102d 103a 103c 1180 1183 1184 1185 1187 1188 1189 118a 118e 118f 1193 1194 "
        "1195 1198 1199 119a 119d 119e 119f 11a0 11a1 11a2 11a3 11a7 11b4 11b6 11b7 11b8 11ba 11bc 11bd 11be 11c0 "
        "11c2 11c3 11c4 11c5 11c6 11c8 11cb 11e0 11e1 11e2 11e3 11fa 11fc 1280 1281 1282 1284 1286 1287 1288 1289 "
        "128b 1290 1291 1292 1293 1295 1296 1298 1299 129a 12b9 12ba"
    ),
    "580": (
        "1340 1341 1344 1346 1347 1348 1349 134b 134d 134e 134f 137a 137b 137d 1380 1381 1382 1390 1391 1392 1393 "
        "1398 1399 139a 139b 139c 139d 13b0 13b1 13b2 13b3 13b4 13b6 13b9 13ba 13bb 13bc 13c0 13c2 13d7 13d8 13d9 "
        "13da 13f0 13f1 13f2 13f3 13f8 13f9 13fa 13fb 1401 1402 1406 1407 1427 1430 1431 1436 15f0 15f7 15f8 15f9 "
        "1617 1618 1619 161a 1667 174d 174e 179c 17c2 17c8 17f0 17f1 17fd 1b00 1b02 1b06 1b30 1b38 1b80 1b81 1b82 "
        "1b83 1b84 1b87 1ba0 1ba1 1ba2 1bb0 1bb1 1bb3 1bb4 1bb5 1bb6 1bb7 1bb8 1bb9 1bbb 1bc7 1be0 1be1 1c02 1c03 "
        "1c04 1c06 1c07 1c09 1c20 1c21 1c22 1c23 1c30 1c31 1c60 1c61 1c62 1c81 1c82 1c83 1c8c 1c8d 1c8f 1c90 1c91 "
        "1c92 1c94 1c96 1cb1 1cb2 1cb3 1cb6 1cba 1cbb 1cbc 1cbd 1cfa 1cfb 1d01 1d02 1d10 1d11 1d12 1d13 1d16 1d33 "
        "1d34 1d52 1d81 1db1 1db3 1db4 1db5 1db6 1db7 1db8 1dba 1df0 1df2 1df5 1df6"
    ),
}

# Architecture by id, for ids in no list (OEM variants, virtual GPUs) and for what NVIDIA still drives: first id, last
# id, architecture, last CUDA toolkit with code for it ("" = no end known; "11" is every 11.x). In each range pci.ids
# and the lists of NVIDIA know that architecture only; an id outside all of them stays unknown.
# Kepler is split: compute capability 3.0 ends with CUDA 10.2, 3.5 and 3.7 with 11.
ID_RANGES = (
    (0x0190, 0x019F, "Tesla", "6.5"),
    (0x0400, 0x042F, "Tesla", "6.5"),
    (0x05E0, 0x065F, "Tesla", "6.5"),
    (0x06C0, 0x06DF, "Fermi", "8.0"),
    (0x06E0, 0x06FF, "Tesla", "6.5"),
    (0x0840, 0x08AF, "Tesla", "6.5"),
    (0x0A20, 0x0A7F, "Tesla", "6.5"),
    (0x0CA0, 0x0CBF, "Tesla", "6.5"),
    (0x0DC0, 0x0F0F, "Fermi", "8.0"),
    (0x0FC0, 0x0FFF, "Kepler", "10.2"),
    (0x1000, 0x103F, "Kepler", "11"),
    (0x1040, 0x10BF, "Fermi", "8.0"),
    (0x10C0, 0x10DF, "Tesla", "6.5"),
    (0x1140, 0x117F, "Fermi", "8.0"),
    (0x1180, 0x11FF, "Kepler", "10.2"),
    (0x1200, 0x127F, "Fermi", "8.0"),
    (0x1280, 0x12BF, "Kepler", "11"),
    (0x1340, 0x14FF, "Maxwell", "12"),
    (0x15F0, 0x15FF, "Pascal", "12"),
    (0x1600, 0x16FF, "Maxwell", "12"),
    (0x1720, 0x172F, "Pascal", "12"),
    (0x1740, 0x17FF, "Maxwell", "12"),
    (0x1B00, 0x1D7F, "Pascal", "12"),
    (0x1D80, 0x1DFF, "Volta", "12"),
    (0x1E00, 0x1FFF, "Turing", ""),
    (0x2080, 0x20FF, "Ampere", ""),
    (0x2100, 0x21FF, "Turing", ""),
    (0x2200, 0x228F, "Ampere", ""),
    (0x2300, 0x23FF, "Hopper", ""),
    (0x2400, 0x25FF, "Ampere", ""),
    (0x2600, 0x28FF, "Ada", ""),
    (0x2900, 0x29FF, "Blackwell", ""),
    (0x2B80, 0x2FFF, "Blackwell", ""),
    (0x3180, 0x31FF, "Blackwell", ""),
)

# NVSwitch bridges: NVIDIA's vendor id, but no GPU.
NVSWITCHES = ("1af1", "22a3")

# architecture: (least branch that may drive it, last branch or "", open module "no" | "yes" | "only").
# The least branch is general knowledge, chosen low on purpose: it refuses only what surely cannot work. "no" is the
# NO_GSP flag of nvGpus.h, "only" the absence of its PROPRIETARY_POSSIBLE flag.
ARCHITECTURES = {
    "pre-CUDA": ("", "304", "no"),
    "Tesla": ("", "340", "no"),
    "Fermi": ("", "390", "no"),
    "Kepler": ("295", "470", "no"),
    "Maxwell": ("334", "580", "no"),
    "Pascal": ("367", "580", "no"),
    "Volta": ("384", "580", "no"),
    "Turing": ("410", "", "yes"),
    "Ampere": ("450", "", "yes"),
    "Ada": ("520", "", "yes"),
    "Hopper": ("515", "", "yes"),
    "Blackwell": ("570", "", "only"),
}

# GPUs that are known better: id: (name, first branch, EC2 families, whether EC2's 8-GPU hosts of it have an NVSwitch).
# The first branch is chosen low like the architecture's; "" = older than this table.
GPUS = {
    "06d2": ("Tesla M2050/M2070", "", ("cg1",), False),
    "0ff2": ("GRID K1", "", (), False),
    "11bf": ("GRID K2", "", (), False),
    "118a": ("GRID K520", "", ("g2",), False),
    "102d": ("Tesla K80", "340", ("p2",), False),
    "1023": ("Tesla K40m", "", (), False),
    "1021": ("Tesla K20Xm", "", (), False),
    "13f2": ("Tesla M60", "352", ("g3", "g3s"), False),
    "17fd": ("Tesla M40", "352", (), False),
    "15f8": ("Tesla P100 PCIe", "375", (), False),
    "15f9": ("Tesla P100 SXM2", "375", (), False),
    "1b38": ("Tesla P40", "375", (), False),
    "1bb3": ("Tesla P4", "375", (), False),
    "1db1": ("Tesla V100 SXM2 16GB", "384", ("p3",), False),
    "1db4": ("Tesla V100 PCIe 16GB", "384", (), False),
    "1db5": ("Tesla V100 SXM2 32GB", "384", ("p3dn",), False),
    "1db6": ("Tesla V100 PCIe 32GB", "384", (), False),
    "1eb8": ("Tesla T4", "410", ("g4dn",), False),
    "1eb4": ("T4G", "450", ("g5g",), False),
    "20b0": ("A100 SXM4 40GB", "450", ("p4d",), True),
    "20b2": ("A100 SXM4 80GB", "450", ("p4de",), True),
    "2237": ("A10G", "460", ("g5",), False),
    "27b8": ("L4", "525", ("g6", "g6f", "gr6", "gr6f"), False),
    "26b9": ("L40S", "525", ("g6e",), False),
    "2330": ("H100 SXM5 80GB", "520", ("p5",), True),
    "2335": ("H200 SXM 141GB", "535", ("p5e", "p5en"), True),
    "2901": ("B200", "570", ("p6-b200",), True),
    "3182": ("B300 SXM6 AC", "580", ("p6-b300",), True),
    "2941": ("GB200", "570", ("p6e-gb200",), True),
    "2bb5": ("RTX PRO 6000 Blackwell Server Edition", "570", ("g7e",), False),
    "2c3a": ("RTX PRO 4500 Blackwell Server Edition", "580", ("g7",), False),
}
# Ids whose open module exists, yet whose hosts' makers use the proprietary one (EKS on g5g).
PROPRIETARY_BY_CHOICE = ("1eb4",)

# branch: (CUDA that its libcuda brings, newest version with a known installer, kind, end of life, least kernel,
# last kernel known to build it). Kinds: "production" and "lts" are supported on DATE, "ended" gets no fixes (610 was a
# new feature branch). "" = not known; a kernel bound is that of the .run file without anybody's patches.
BRANCHES = {
    "304": ("5.0", "304.137", "ended", "2017", "", ""),
    "340": ("6.5", "340.108", "ended", "2019", "", "5.4"),
    "367": ("8.0", "367.57", "ended", "", "2.6.9", "4.8"),
    "370": ("8.0", "370.28", "ended", "", "", ""),
    "375": ("8.0", "375.82", "ended", "", "", "4.10"),
    "378": ("8.0", "378.13", "ended", "", "", ""),
    "381": ("8.0", "381.22", "ended", "", "", "4.11"),
    "384": ("9.0", "384.130", "ended", "", "", "4.12"),
    "387": ("9.1", "387.34", "ended", "", "", "4.15"),
    "390": ("9.1", "390.157", "ended", "2022-12", "", "6.1"),
    "396": ("9.2", "396.54", "ended", "", "", ""),
    "410": ("10.0", "410.104", "ended", "", "", ""),
    "415": ("10.0", "415.27", "ended", "", "", ""),
    "418": ("10.1", "418.226.00", "ended", "2022-03", "", "5.0"),
    "430": ("10.1", "430.64", "ended", "", "", ""),
    "435": ("10.1", "435.21", "ended", "", "", ""),
    "440": ("10.2", "440.118.02", "ended", "2020-11", "", ""),
    "450": ("11.0", "450.248.02", "ended", "2023-07", "", ""),
    "455": ("11.1", "455.45.01", "ended", "", "", ""),
    "460": ("11.2", "460.106.00", "ended", "2022-01", "", ""),
    "465": ("11.3", "465.31", "ended", "", "", ""),
    "470": ("11.4", "470.256.02", "ended", "2024", "", "6.9"),
    "495": ("11.5", "495.46", "ended", "", "", ""),
    "510": ("11.6", "510.108.03", "ended", "", "3.10", ""),
    "515": ("11.7", "515.105.01", "ended", "", "3.10", ""),
    "520": ("11.8", "520.61.05", "ended", "", "3.10", ""),
    "525": ("12.0", "525.147.05", "ended", "", "3.10", ""),
    "530": ("12.1", "530.41.03", "ended", "", "3.10", ""),
    "535": ("12.2", "535.309.01", "ended", "2026-06", "3.10", ""),
    "545": ("12.3", "545.29.06", "ended", "", "3.10", ""),
    "550": ("12.4", "550.163.01", "ended", "", "3.10", "6.14"),
    "555": ("12.5", "555.58.02", "ended", "", "", ""),
    "560": ("12.6", "560.35.05", "ended", "", "", ""),
    "565": ("12.7", "565.77", "ended", "", "", ""),
    "570": ("12.8", "570.211.01", "ended", "", "4.15", ""),
    "575": ("12.9", "575.64.05", "ended", "", "4.15", ""),
    "580": ("13.0", "580.173.02", "lts", "2028-06", "4.15", "6.18"),
    "590": ("13.1", "590.48.01", "ended", "", "4.15", "6.18"),
    "595": ("13.2", "595.84", "production", "2027-03", "4.15", ""),
    "610": ("13.3", "610.43.02", "ended", "2026-08", "4.15", ""),
}

# (CUDA toolkit, least Linux driver that runs it). From 11 on, minor version compatibility: 11.x runs on 450.80.02 and
# newer, 12.x on 525.60.13 and newer, 13.x on 580 and newer.
CUDA_MINIMUM = (
    ("7.0", "346.46"),
    ("7.5", "352.31"),
    ("8.0.44", "367.48"),
    ("8.0.61", "375.26"),
    ("9.0", "384.81"),
    ("9.1", "390.46"),
    ("9.2.88", "396.26"),
    ("9.2.148", "396.37"),
    ("10.0", "410.48"),
    ("10.1", "418.39"),
    ("10.2", "440.33"),
    ("11.0", "450.36.06"),
    ("11", "450.80.02"),
    ("12", "525.60.13"),
    ("13", "580"),
)
