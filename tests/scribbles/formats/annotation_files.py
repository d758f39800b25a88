"""Files as the annotation tools write them, from their formats' documentation."""

from __future__ import annotations

LABELME = """{
  "version": "5.5.0",
  "flags": {},
  "shapes": [
    {"label": "cow", "points": [[10.5, 20.5], [12.25, 22.0], [30.0, 25.5]], "group_id": null, "description": "",
     "shape_type": "linestrip", "flags": {}, "mask": null},
    {"label": "background", "points": [[0.0, 0.5], [40.5, 0.5]], "group_id": null, "description": "",
     "shape_type": "line", "flags": {}, "mask": null},
    {"label": "dog", "points": [[5.5, 6.5]], "group_id": 1, "description": "", "shape_type": "point", "flags": {}},
    {"label": "cow", "points": [[1, 1], [5, 1], [5, 5]], "group_id": null, "shape_type": "polygon", "flags": {}}
  ],
  "imagePath": "..\\\\images\\\\2007_000063.jpg",
  "imageData": "iVBORw0KGgo=",
  "imageHeight": 60,
  "imageWidth": 80
}"""

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>7</id><name>scribbles</name><size>2</size><mode>annotation</mode><overlap>0</overlap>
      <labels><label><name>cow</name><color>#fa3253</color><type>polyline</type><attributes></attributes></label></labels>
    </task>
    <dumped>2024-05-02 11:08:13.424217+00:00</dumped>
  </meta>
  <image id="0" name="farm/2007_000063.jpg" width="80" height="60">
    <polyline label="background" source="manual" occluded="0" points="0.50,0.50;40.50,0.50" z_order="1">
    </polyline>
    <polyline label="cow" source="manual" occluded="0" points="10.50,20.50;12.25,22.00;30.00,25.50" z_order="0">
      <attribute name="sure">true</attribute>
    </polyline>
    <points label="dog" source="manual" occluded="0" points="5.50,6.50;7.50,8.50" z_order="0">
    </points>
    <polygon label="cow" source="manual" occluded="0" points="1.00,1.00;5.00,1.00;5.00,5.00" z_order="0">
    </polygon>
  </image>
  <image id="1" name="empty.jpg" width="10" height="20">
  </image>
</annotations>"""

QUPATH = """{
  "type": "FeatureCollection",
  "features": [
    {"type": "Feature", "id": "84a5d4f0-7d36-4e83-9c8a-5b7a34a8ffba",
     "geometry": {"type": "LineString", "coordinates": [[1000.5, 2000.5], [1010, 2020], [1100.25, 2100.75]]},
     "properties": {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}}},
    {"type": "Feature", "id": "2e5e2d5a-9ae5-4d6c-86a5-8a6d4b0a1c11",
     "geometry": {"type": "MultiLineString",
                  "coordinates": [[[1040, 2000], [1050, 2010]], [[1060, 2000], [1070, 2010], [1080, 2000]]]},
     "properties": {"objectType": "annotation", "classification": {"names": ["Stroma"], "color": [150, 200, 150]}}},
    {"type": "Feature",
     "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [5, 0], [5, 5], [0, 0]]]},
     "properties": {"objectType": "annotation"}}
  ]
}"""
