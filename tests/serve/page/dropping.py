"""A file that is dropped on the page."""

from __future__ import annotations

from tests.serve.models import NUMBERS

AGE, OTHER = NUMBERS
PARTLY = f"""{AGE},note,{OTHER},city
1,"a, ""b""\nc",2,Porto
2,,NaN,Lisboa
3,x,,Paris

x,y,1e-3,Porto
5,z,0.1,Porto
1e400,,1,Lisboa
"""
DROP = """(text) => {
  const data = new DataTransfer();
  data.items.add(new File([text], "people.csv", { type: "text/csv" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document
      .getElementById("drop")
      .dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
