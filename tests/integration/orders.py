"""Orders: made ones with the shape of a real shop's, and what `holdfast replay` must make of any of them.

`outcome` is the definition of `holdfast replay` (docs: holdfast replay --help) computed with a few dictionaries, written from the definition
and not from the program, so that the two can be held against each other.
"""

import collections
import csv
import gzip
import itertools
import random

HEADER = ["time", "invoice", "stock_code", "quantity"]

Outcome = collections.namedtuple("Outcome", "orders granted refused skipped returned_units units_sold lines on_hand granted_orders")


def outcome(rows, on_hand):
    """rows: (invoice, stock code, quantity) in the file's order. Every SKU begins with `on_hand` units."""
    stock = {sku: on_hand for _, sku, _ in rows}
    invoices = {}
    for invoice, sku, quantity in rows:
        invoices.setdefault(invoice, []).append((sku, quantity))
    granted, refused, skipped, returned, sold, line_count = [], 0, 0, 0, 0, 0
    for invoice, lines in invoices.items():
        is_return = invoice.startswith("C")
        sums = collections.defaultdict(int)
        for sku, quantity in lines:
            if is_return and quantity < 0:
                sums[sku] += -quantity
            elif not is_return and quantity > 0:
                sums[sku] += quantity
        if not sums:
            skipped += 1
        elif is_return:
            for sku, quantity in sums.items():
                stock[sku] += quantity
                returned += quantity
        else:
            line_count += len(sums)
            if all(stock[sku] >= quantity for sku, quantity in sums.items()):
                granted.append(invoice)
                for sku, quantity in sums.items():
                    stock[sku] -= quantity
                    sold += quantity
            else:
                refused += 1
    return Outcome(len(granted) + refused, len(granted), refused, skipped, returned, sold, line_count, stock, granted)


def made_rows(seed, orders, skus):
    """Rows (time, invoice, stock code, quantity) of so many orders, returns not counted, over so many SKUs.

    As in a real shop: few SKUs are wanted by many (Zipf), most invoices are short, some lines stand twice in one invoice, now and then lines
    of two invoices are interleaved, one invoice in twelve is a return, some lines, and some whole invoices, are stock corrections of zero or
    less. The last order takes one of each SKU that nobody has wanted before.
    """
    chance = random.Random(seed)
    codes = [f"{20000 + number}{chance.choice(['', '', '', 'A', 'B', 'a', 'b'])}" for number in range(skus)]
    weights = [1 / (rank + 1) for rank in range(skus)]
    rows = []
    pending = []
    made = 0
    for number in itertools.count():
        kind = chance.random()
        is_return, is_correction = kind < 0.08, 0.08 <= kind < 0.09
        if not is_return and not is_correction:
            made += 1
            if made == orders:
                break
        invoice = ("C" if is_return else "") + str(536365 + number)
        time = f"2010-12-{1 + number // 100 % 28:02d} {8 + number // 10 % 10:02d}:{number % 60:02d}:00"
        count = min(1 + int(chance.expovariate(1 / 5)), 40)
        lines = []
        for sku in chance.choices(codes, weights, k=count):
            quantity = chance.choice([1, 1, 1, 2, 2, 3, 4, 6, 12, 24])
            oddity = chance.random() if lines else 0.5  # the first line makes an order an order, and a return a return
            if oddity < 0.01:
                quantity = 0
            elif oddity < 0.03 or is_correction:
                quantity = -quantity
            lines.append((time, invoice, sku, -quantity if is_return else quantity))
            if oddity > 0.97:
                lines.append(lines[-1])
        # Some lines wait until after the next invoice's first ones.
        late = len(lines) // 2 if chance.random() < 0.1 else len(lines)
        rows += lines[:late] + pending
        pending = lines[late:]
    rows += pending
    wanted = {row[2] for row in rows}
    unwanted = [code for code in codes if code not in wanted] or codes[-1:]
    return rows + [("2010-12-31 18:00:00", "999999", code, 1) for code in unwanted]


def write_csv(path, rows):
    """rows: (time, invoice, stock code, quantity). Compressed if the name ends in .gz."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)


def read_csv(path):
    """(invoice, stock code, quantity) of each line."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        if next(reader) != HEADER:
            raise ValueError(f"{path}: the header is not {','.join(HEADER)}")
        return [(invoice, sku, int(quantity)) for _, invoice, sku, quantity in reader]
