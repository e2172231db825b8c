"""What is published of product.csv; the generated file of full size has the same figures."""

ROWS = 8_471_220
USERS = 4_254_619
USERS_BY_SITE = {"desktop": 1_424_772, "mobile": 2_857_187}
PRODUCTS = ["accessories", "clothes", "company", "sneakers", "sports_nutrition"]
# rows by site version and title, each by PRODUCTS
CELLS = {
    ("desktop", "banner_show"): [410_003, 418_070, 477_374, 411_597, 417_595],
    ("desktop", "banner_click"): [18_531, 32_781, 28_464, 21_419, 13_870],
    ("desktop", "order"): [22_121, 66_977, 0, 32_565, 11_518],
    ("mobile", "banner_show"): [1_030_951, 1_035_058, 1_102_861, 1_041_430, 1_048_375],
    ("mobile", "banner_click"): [117_723, 187_814, 116_357, 161_177, 131_048],
    ("mobile", "order"): [22_430, 45_738, 0, 35_154, 12_219],
}
BY_TITLE = {"banner_show": 7_393_314, "banner_click": 829_184, "order": 248_722}
BY_MONTH = {
    "2019-01": 1_461_095,
    "2019-02": 1_269_215,
    "2019-03": 1_650_715,
    "2019-04": 1_960_087,
    "2019-05": 2_130_108,
}
BY_PRODUCT = {
    "accessories": 1_621_759,
    "clothes": 1_786_438,
    # what the file calls company
    "electronics": 1_725_056,
    "sneakers": 1_703_342,
    "sports_nutrition": 1_634_625,
}


def cells():
    """Rows by site version, event type and product as Shopwindow calls it; the empty cells are zeros."""
    names = ["electronics" if product == "company" else product for product in PRODUCTS]
    return {(*key, name): rows for key, of in CELLS.items() for name, rows in zip(names, of)}
